"""Files of every older state are read for ever, and predict what they did when they were written.

To keep today's state, when `state_version` is raised: save a fitted model with its predictions as
these files hold them.
"""

from pathlib import Path

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import StateError
from equatorium_gp.trend_gp import TrendGP

FILES = Path(__file__).parent / "files"
VERSIONS = range(1, TrendGP.state_version + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_every_state_are_read(version):
    kept = eq.load(FILES / f"trend-gp-state-{version}.h5")
    prediction = kept["model"].predict_dist(kept["query"]).gaussian()
    np.testing.assert_allclose(prediction.mean, kept["mean"], rtol=1e-9)
    covariance = prediction.covariance.dense()
    size = np.abs(kept["covariance"]).max()
    np.testing.assert_allclose(covariance, kept["covariance"], rtol=1e-8, atol=1e-10 * size)


def test_an_older_model_is_saved_in_todays_state(tmp_path):
    kept = eq.load(FILES / "trend-gp-state-1.h5")
    kept["model"].save(tmp_path / "model.h5")
    again = eq.load(tmp_path / "model.h5")
    mean = again.predict_dist(kept["query"]).gaussian().mean
    np.testing.assert_allclose(mean, kept["mean"], rtol=1e-9)


def test_a_damaged_older_state_is_refused():
    with pytest.raises(StateError, match="version 1, is damaged"):
        TrendGP.migrate({"spread_": np.ones(2)}, 1)
