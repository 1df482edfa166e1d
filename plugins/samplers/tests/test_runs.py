"""dynesty and pocoMC behind one interface: what is impossible, what is global, what goes wrong."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, NotConvergedWarning

pytest.importorskip("dynesty")
pytest.importorskip("pocomc")

SMALL = {
    "dynesty": {"live": 60, "runs": 4, "batch": 15},
    "pocomc": {"active": 128, "effective": 256, "total": 256, "runs": 4},
}
SPACE = eq.Space([eq.Parameter("a", -4, 4), eq.Parameter("b", -4, 4, prior="normal(0, 1)")])


class Bell:
    """N(0, 0.5^2) in a; NaN, or an error, where it is told to."""

    def __init__(self, bad=None, error=None):
        self.bad, self.error, self.calls = bad, error, 0

    def log_likelihood(self, theta):
        self.calls += 1
        if self.error is not None and self.calls > 20:
            raise self.error
        value = stats.norm(0.0, 0.5).logpdf(theta[:, 0])
        return value if self.bad is None else np.where(self.bad(theta), np.nan, value)


def run(name, likelihood=None, region=None, **how):
    if region is not None:
        wave = SimpleNamespace(level=region, surrogate=SimpleNamespace(space=SPACE))
        region = eq.Region(SPACE, (wave,))
    posterior = eq.Posterior(SPACE, Bell() if likelihood is None else likelihood, region)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return eq.sampler(name, **SMALL[name], **how.pop("options", {})).run(
            posterior, **{"rng": 1, "progress": False, **how}
        )


@pytest.mark.parametrize("name", SMALL)
def test_what_a_region_excludes_lowers_the_evidence(name):
    """A quarter of the prior is left, and half of the likelihood with it."""
    draws = run(name, region=lambda theta: 1 + np.maximum(theta[:, 0], theta[:, 1]))
    assert draws.flat.max() <= 0
    truth = -np.log(8) + np.log(0.25)
    assert draws.meta["log_evidence"] == pytest.approx(truth, abs=0.3)
    assert draws["a"].mean() == pytest.approx(-stats.halfnorm(scale=0.5).mean(), abs=0.06)


def test_more_possible_points_than_live_ones_do_not_lower_dynestys_evidence():
    """Half of the prior is impossible; every batch of first points holds about half of `live`."""

    class Half:
        def log_likelihood(self, theta):
            value = stats.norm(0.0, 1.0).logpdf(theta[:, 1])
            return np.where(theta[:, 0] > 0, value, -np.inf)

    space = eq.Space([eq.Parameter("a", -1, 1), eq.Parameter("b", -8, 8)])
    options = {"live": 80, "batch": 20, "runs": 8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        posterior = eq.Posterior(space, Half())
        draws = eq.sampler("dynesty", **options).run(posterior, rng=1, progress=False)
    error = draws.meta["log_evidence_error"]
    assert draws.meta["log_evidence"] == pytest.approx(np.log(0.5 / 16), abs=3 * error)
    assert error < 0.15


@pytest.mark.parametrize("name", SMALL)
def test_nan_likelihoods_are_counted_and_do_no_harm(name):
    draws = run(name, Bell(bad=lambda theta: theta[:, 0] > 0))
    assert draws["a"].max() <= 0
    assert draws.meta["n_nan"] > 10
    assert "NaN likelihoods" in draws.summary()


def test_global_generators_and_threads_are_as_they_were():
    import torch

    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    run("pocomc")
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == before[2]


@pytest.mark.parametrize("name", SMALL)
def test_an_error_of_the_likelihood_is_told_and_nothing_printed(name, capsys):
    with pytest.raises(RuntimeError, match="node lost"):
        run(name, Bell(error=RuntimeError("node lost")))
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == ""


@pytest.mark.parametrize("name", SMALL)
def test_an_impossible_posterior_is_a_clear_error(name):
    with pytest.raises(InputError, match="finite"):
        run(name, Bell(bad=lambda theta: theta[:, 0] > -9))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dynesty", {"walks": 1}),
        ("dynesty", {"dlogz": 0.0}),
        ("dynesty", {"live": 5}),
        ("pocomc", {"effective": 8}),
        ("pocomc", {"precondition": 1}),
        ("pocomc", {"active": 2.5}),
    ],
)
def test_options_that_cannot_be_used(name, options):
    with pytest.raises(InputError, match=next(iter(options))):
        eq.sampler(name, **options).run(eq.Posterior(SPACE, Bell()), rng=1, progress=False)
