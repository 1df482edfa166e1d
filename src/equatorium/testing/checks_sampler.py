"""What samplers must do: the right distribution, repeatably, resumably; nonsense is refused."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from equatorium.errors import EquatoriumError
from equatorium.inference.draws import Draws
from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for
from equatorium.testing.problems import Bell, bell


def _draw(case: Case, posterior: Any = None, **how: Any) -> Any:
    posterior = bell() if posterior is None else posterior
    return case.make().run(posterior, **{"rng": 3, "progress": False, **how})


@check_for("sampler")
def draws_have_the_right_moments(case: Case) -> None:
    """Mean and covariance of a Gaussian posterior come out, within Monte-Carlo errors."""
    draws = _draw(case)
    ess = np.maximum(np.array(list(draws.ess.values())), 4.0)
    expect(ess.min() > 200, f"only {ess.min():.0f} draws are independent: too few to judge")
    S, sd = Bell.covariance, np.sqrt(np.diag(Bell.covariance))
    z = (draws.mean - Bell.mean) / (sd / np.sqrt(ess))
    expect(np.abs(z).max() < 5, f"a mean is {np.abs(z).max():.1f} standard errors off")
    error = np.sqrt((np.outer(sd**2, sd**2) + S**2) / (ess.min() / 2))
    z = np.abs(np.cov(draws.flat.T) - S) / error
    expect(z.max() < 5, f"a covariance is {z.max():.1f} standard errors off")


@check_for("sampler")
def draws_know_what_they_are(case: Case) -> None:
    """Draws name the parameters, lie in the box and carry their log-probability."""
    posterior = bell(high=0.5)
    draws = _draw(case, posterior)
    expect(isinstance(draws, Draws), f"run gives a {type(draws).__name__}, not Draws")
    expect(draws.names == posterior.names, f"they are of {draws.names}, not {posterior.names}")
    expect(posterior.space.contains(draws.flat).all(), "some lie outside the prior's box")
    told, true = draws.log_prob.reshape(-1), posterior.log_prob(draws.flat)
    expect(np.allclose(told, true, atol=1e-6), "log_prob is not the posterior's")


@check_for("sampler")
def the_same_seed_gives_the_same_draws(case: Case) -> None:
    """The same seed gives the same draws, in every bit; another seed gives others."""
    first = _draw(case).samples
    expect(np.array_equal(first, _draw(case).samples), "the same seed gives other draws")
    other = _draw(case, rng=4).samples
    expect(first.shape != other.shape or (first != other).any(), "another seed changes nothing")


@check_for("sampler")
def starts_that_cannot_be_used_are_refused(case: Case) -> None:
    """Starting points with another number of columns, or NaN, raise an error of this library."""
    for starts in (np.zeros((400, 3)), np.full((400, 2), np.nan)):
        try:
            _draw(case, starts=starts)
        except EquatoriumError:
            continue
        expect(False, f"starts of shape {starts.shape} with values {starts[0, 0]} are accepted")


@check_for("sampler", "restart")
def an_interrupted_run_goes_on(case: Case) -> None:
    """Interrupted and resumed from its store, a run gives the draws of an uninterrupted one."""
    whole = _draw(case, counted := bell())
    calls = len(counted.likelihood.batches)
    with tempfile.TemporaryDirectory(prefix="equatorium-") as folder:
        store = Path(folder) / "chain.h5"
        try:
            _draw(case, bell(stop_after=calls // 2), store=store)
        except KeyboardInterrupt:
            pass
        else:
            expect(False, "it goes on when it is interrupted")
        again = bell()
        resumed = _draw(case, again, store=store, rng=99)
    same = np.array_equal(resumed.samples, whole.samples)
    expect(same, "resumed, it gives other draws than an uninterrupted run")
    made = len(again.likelihood.batches)
    expect(made < 0.9 * calls, f"resumed, it made {made} of {calls} calls again: nothing was kept")


@check_for("sampler", "vectorised")
def many_points_are_asked_at_once(case: Case) -> None:
    """It hands many points to the likelihood at once, on average at least four."""
    posterior = bell()
    _draw(case, posterior)
    mean = float(np.mean(posterior.likelihood.batches))
    expect(mean >= 4, f"it asks for {mean:.1f} points at once on average")
