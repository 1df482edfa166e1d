"""Simulation-based calibration tells whether the chain from data to posterior is right, prior-wide.

Truths come from the prior, data from the likelihood (or the true simulator and a draw of all
errors), posteriors from any sampler. If all is right, then over many replicates the rank of the
truth among independent draws is uniform, for every parameter and for any quantity that depends on
the data, such as the log-likelihood, without which a posterior equal to the prior would pass; the
standardised errors have mean square one; and the truth is nearer to a reference point than the
draws are exactly as often as it should be (TARP).

References
----------
Talts et al. 2018, doi:10.48550/arXiv.1804.06788; Modrák et al. 2023, Bayesian Analysis,
doi:10.1214/23-BA1404 (quantities that depend on the data); Lemos et al. 2023, PMLR 202, 19256,
doi:10.48550/arXiv.2302.03026 (TARP).
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal

import numpy as np

from equatorium.checks import FloatArray, instance
from equatorium.errors import InputError
from equatorium.inference.calibrated import Calibration, check_known
from equatorium.inference.posterior import Posterior
from equatorium.inference.replicate import Replicate
from equatorium.interfaces.sampler import Sampler
from equatorium.interfaces.simulator import Simulator
from equatorium.simulate.execute import run_design


def simulation_based_calibration(
    posterior: Posterior,
    sampler: Sampler,
    n: int = 200,
    *,
    simulator: Simulator | None = None,
    judged: Sequence[str] | int = 5,
    seed: int = 0,
    store: str | Path | None = None,
    executor: Executor | Literal["serial"] | None = None,
    progress: bool = True,
) -> Calibration:
    """Calibrate a chain of emulator, likelihood and sampler on n truths from its prior.

    Parameters
    ----------
    posterior : Posterior
        Without region or joint prior. Its data are replaced: those of a replicate are drawn from
        its likelihood at the truth.
    sampler : Sampler
        About a hundred independent draws of each posterior are enough.
    n : int
        Replicates.
    simulator : Simulator, optional
        The true one: data are its outputs plus a draw of discrepancy and measurement errors, so
        that the emulator is tested, too. By default they are drawn from the emulator.
    judged : sequence of str, or int
        Parameters to judge, or how many of the most constrained ones (all if there are fewer).
    seed : int
        The i-th replicate depends on it and on i alone: neither on the order, nor on n.
    store : path, optional
        HDF5 file that keeps finished replicates; the same call goes on where it was interrupted.
    executor : concurrent.futures.Executor or "serial", optional
        As in `equatorium.run_design`: by default local processes.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If the posterior is not the space's prior times a likelihood that data can be drawn from.
    SimulatorError
        If the first replicates all fail, with the reason.

    Examples
    --------
    Here the posterior is known, and draws come from it directly:

    >>> from equatorium.inference.draws import Draws
    >>> from equatorium.records.space import Parameter, Space
    >>> from scipy import stats
    >>> class Measured:  # y = x + noise, both of unit variance
    ...     y = 0.0
    ...     def log_likelihood(self, theta):
    ...         return -0.5 * (self.y - theta[:, 0]) ** 2
    ...     def simulate(self, theta, rng):
    ...         return theta + rng.standard_normal(1)
    ...     def with_data(self, y):
    ...         other = Measured()
    ...         other.y = y[0]
    ...         return other
    >>> class Exact(Sampler):
    ...     def run(self, posterior, *, rng, **options):
    ...         x = rng.normal(posterior.likelihood.y / 2, 0.5**0.5, (4, 25, 1, 1))
    ...         log_prob = posterior.log_prob(x.reshape(-1, 1)).reshape(x.shape[:-1])
    ...         return Draws(("x",), x, log_prob, posterior.space)
    >>> space = Space([Parameter("x", -9, 9, prior=stats.norm(0, 1))])
    >>> posterior = Posterior(space, Measured())
    >>> options = {"executor": "serial", "progress": False}
    >>> simulation_based_calibration(posterior, Exact(), 50, **options).passed
    True
    """
    instance(posterior, Posterior, "posterior")
    instance(sampler, Sampler, "sampler")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise InputError(f"n must be a whole number of at least 2, but it is {n!r}.")
    space, replicate = posterior.space, Replicate(posterior, sampler, simulator)
    if not isinstance(judged, int | np.integer):
        for name in judged:
            check_known(name, space.names)
    elif judged < 1:
        raise InputError(f"judged must be at least 1, but it is {judged!r}.")
    runs = run_design(
        replicate,
        space,
        truths(posterior, n, seed),
        ledger=store,
        executor=executor,
        seed=seed,
        progress=progress,
    )
    ok, d = runs.ok, space.d
    Y = runs.Y[ok]
    ranks, errors, shrinkage, rest = np.split(Y, [d, 2 * d, 3 * d], axis=1)
    if isinstance(judged, int | np.integer):
        order = np.argsort(np.median(shrinkage, axis=0), kind="stable")[:judged]
        judged = [space.names[j] for j in order]
    lost = [str(status) for status in np.asarray(runs.status)[~ok]]
    first = lost[0] if lost else ""
    log_likelihood, coverage, draws, converged = rest.T
    return Calibration(
        space.names,
        tuple(judged),
        ranks,
        errors,
        shrinkage,
        log_likelihood,
        coverage,
        draws,
        converged,
        len(lost),
        first,
    )


def truths(posterior: Posterior, n: int, seed: int = 0) -> FloatArray:
    """Truths (n, d) of the replicates, drawn from the prior; the first are the same for all n."""
    draw = posterior.space.sample
    return np.concatenate([draw(1, np.random.default_rng([seed, i])) for i in range(n)])
