"""A posterior is called converged only on evidence: nested R-hat, effective size, stable memory.

Walkers of one ensemble depend on each other, so they are no chains in the sense of the usual
R-hat. Several ensembles that started apart are: nested R-hat compares their means. It is blind to
a drift that all ensembles share; the effective sample size (which halves the chains) and the
autocorrelation time (which must not grow any more as the chain doubles) see that.

References
----------
Margossian et al. 2024, Bayesian Analysis, doi:10.1214/24-BA1453 (nested R-hat); Vehtari et al.
2021, Bayesian Analysis 16, 667, doi:10.1214/20-BA1221 (rank R-hat, bulk and tail ESS); Sokal
1997, doi:10.1007/978-1-4899-0319-8_6 (integrated autocorrelation time).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray
from equatorium.errors import InputError, did_you_mean
from equatorium.records.base import entries

UNTIL: Mapping[str, float] = {"rhat": 1.01, "ess": 400.0}
"""What is asked for by default: the thresholds of Vehtari et al. 2021."""

ENSEMBLES = 4
"""Ensembles that must agree: fewer say too little about a place that none of them has found."""

LENGTH = 5.0
"""Autocorrelation times that the kept chain must span for its tau to be believed.

Fewer than for one chain: tau comes from hundreds of walkers about their common mean, so that a
short chain shows as a tau that still grows.
"""

GROWTH = 1.25
"""By which factor the longest tau may grow from half the kept chain to all of it."""

ROWS = 250
"""Steps (evenly spaced) that enter the diagnostics: more cost minutes and say nothing new."""


@dataclass(frozen=True)
class Convergence:
    """The evidence, one number per parameter.

    Attributes
    ----------
    rhat : array, shape (d,)
        Rank-normalised nested R-hat over the ensembles.
    ess_bulk, ess_tail : array, shape (d,)
        Effective sample sizes of the centre and of the 5 % and 95 % quantiles.
    tau, tau_half : array, shape (d,)
        Integrated autocorrelation time in steps, from all that is kept and from its first half.
    reasons : tuple of str
        Why the result is not converged; empty if it is.
    """

    rhat: FloatArray
    ess_bulk: FloatArray
    ess_tail: FloatArray
    tau: FloatArray
    tau_half: FloatArray
    reasons: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """Whether every criterion is met."""
        return not self.reasons

    def get_state(self) -> dict[str, Any]:
        """Give all fields, and the verdict for whoever reads the file."""
        return {**vars(self), "reasons": list(self.reasons), "converged": self.converged}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from a state; the verdict follows from the reasons."""
        names = ("rhat", "ess_bulk", "ess_tail", "tau", "tau_half")
        *values, reasons = entries(state, *names, "reasons", of="convergence")
        rhat, bulk, tail, tau, half = (np.asarray(v, dtype=np.float64) for v in values)
        return cls(rhat, bulk, tail, tau, half, tuple(reasons))


def limits(until: Mapping[str, float] | None) -> dict[str, float]:
    """Check the thresholds: None means the default, an empty mapping means no stopping rule.

    Raises
    ------
    InputError
        If a name is unknown or a threshold cannot be met.
    """
    wanted = dict(UNTIL if until is None else until)
    for name, value in wanted.items():
        if name not in UNTIL:
            raise InputError(
                f"until has no criterion {name!r}; there are {', '.join(UNTIL)}."
                f"{did_you_mean(name, UNTIL)}"
            )
        low = 1.0 if name == "rhat" else 0.0
        if not isinstance(value, int | float) or not low < value < np.inf:
            raise InputError(
                f"until[{name!r}] must be a number above {low:g}, but it is {value!r}."
            )
    return wanted


def assess(
    samples: FloatArray,
    names: Sequence[str],
    *,
    thin: int = 1,
    until: Mapping[str, float] | None = None,
) -> Convergence:
    """Judge samples (ensemble, step, walker, d), every `thin`-th step of the chains.

    Thresholds that `until` leaves out are the defaults: a verdict always has all criteria.
    """
    wanted = {**UNTIL, **limits(until)}
    stride = max(1, samples.shape[1] // ROWS)
    x = samples[:, ::stride]
    # arviz calls a chain constant by an absolute size: bring every parameter to unit size.
    scale = x.std(axis=(0, 1, 2))
    stuck = ~(scale > 1e-12 * np.abs(x).max(axis=(0, 1, 2)))
    x = (x - x.mean(axis=(0, 1, 2))) / np.where(stuck, 1.0, scale)
    d = x.shape[-1]
    rhat, bulk, tail = np.full(d, np.inf), np.zeros(d), np.zeros(d)
    tau, half = np.full(d, np.inf), np.full(d, np.inf)
    good = ~stuck
    if x.shape[1] >= 8 and good.any():
        x = x[..., good]
        rhat[good], bulk[good], tail[good] = _arviz(x)
        steps = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1, x.shape[-1])
        tau[good] = stride * thin * autocorrelation_time(steps)
        half[good] = stride * thin * autocorrelation_time(steps[: len(steps) // 2])
    reasons = _reasons(
        names, rhat, np.minimum(bulk, tail), tau, half, samples.shape[1] * thin, wanted
    )
    if len(samples) < ENSEMBLES:
        reasons = (f"{ENSEMBLES} ensembles are asked for, but there are {len(samples)}", *reasons)
    return Convergence(rhat, bulk, tail, tau, half, reasons)


def assess_runs(
    samples: FloatArray, names: Sequence[str], *, until: Mapping[str, float] | None = None
) -> Convergence:
    r"""Judge independent runs: samples (run, draw, 1, d) of equal weight, in random order.

    Draws of one run cannot say how good it is: they share ancestors, and the size that their
    weights suggest (Kish) was measured four times too large. What tells is how far the runs'
    means lie apart: with B the variance between means of runs and W the variance within,
    :math:`ESS = R\,W / B` for R runs, times (R - 3) / (R - 1), which makes it unbiased, and never
    more than there are draws; of the ranks (bulk) and of whether a draw lies below the 5 % and the
    95 % quantile (tail). It has R - 1 degrees of freedom: the least of many parameters errs low.
    """
    wanted = {**UNTIL, **limits(until)}
    runs, n, _, d = samples.shape
    x = samples[:, :, 0]
    # arviz wants chains of a run of equal length.
    length = 8
    chains = x[:, : n - n % length].reshape(-1, length, d)
    rhat, bulk, tail = np.full(d, np.inf), np.zeros(d), np.zeros(d)
    if n >= 2 * length and runs > 1:
        rhat = _nested_rhat(chains, runs)
        bulk = _scattered(stats.rankdata(x.reshape(-1, d), axis=0).reshape(x.shape))
        edges = np.quantile(x, [0.05, 0.95], axis=(0, 1))
        tail = np.minimum(*(_scattered((x <= edge).astype(np.float64)) for edge in edges))
    memory = np.ones(d)  # in random order draws have none
    reasons = _reasons(names, rhat, np.minimum(bulk, tail), memory, memory, n * runs, wanted)
    return Convergence(rhat, bulk, tail, memory, memory, reasons)


def _scattered(x: FloatArray) -> FloatArray:
    """Effective size (d,) of all x (run, draw, d) from the scatter of the runs' means."""
    runs, n, _ = x.shape
    between, within = x.mean(axis=1).var(axis=0, ddof=1), x.var(axis=1).mean(axis=0)
    size = max(0, runs - 3) / (runs - 1) * runs * within / np.where(between > 0, between, 1.0)
    return np.asarray(np.where(between > 0, np.minimum(size, runs * n), runs * n * (within > 0)))


def autocorrelation_time(x: FloatArray, window: float = 5.0) -> FloatArray:
    """Integrated autocorrelation time, in rows, of chains x (step, chain, d) of one distribution.

    The mean is the one of all chains together, not each chain's own: a chain shorter than its
    memory would otherwise look far too fast (Sokal's window, cut at `window` times tau).

    >>> white = np.random.default_rng(0).standard_normal((500, 32, 1))
    >>> bool(abs(autocorrelation_time(white)[0] - 1) < 0.1)
    True
    """
    n = len(x)
    f = np.fft.rfft(x - x.mean(axis=(0, 1)), n=2 * n, axis=0)
    covariance = np.fft.irfft(np.abs(f) ** 2, axis=0)[:n].mean(axis=1)
    covariance /= (n - np.arange(n))[:, None]
    variance = covariance[0]
    tau = 2.0 * np.cumsum(covariance / np.where(variance > 0, variance, 1.0), axis=0) - 1.0
    enough = np.arange(n)[:, None] >= window * tau
    cut = np.where(enough.any(axis=0), enough.argmax(axis=0), n - 1)
    return np.asarray(tau[cut, np.arange(x.shape[2])])


def _arviz(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nested R-hat, bulk and tail ESS of x (ensemble, step, walker, d); each walker is a chain."""
    from arviz_stats import ess

    ensembles, _, walkers, _ = x.shape
    chains = np.swapaxes(x, 1, 2).reshape(ensembles * walkers, x.shape[1], -1)
    bulk = np.asarray(ess(chains, method="bulk"))
    tail = np.asarray(ess(chains, method="tail", prob=(0.05, 0.95)))
    return _nested_rhat(chains, ensembles), bulk, tail


def _nested_rhat(chains: FloatArray, ensembles: int) -> FloatArray:
    """Nested R-hat (d,) of the ranks of chains (chain, step, d), ensemble after ensemble."""
    from arviz_stats import rhat_nested

    if ensembles == 1:
        return np.full(chains.shape[-1], np.nan)
    # An array, not a list: arviz compares the ids by ==.
    superchains = np.repeat(np.arange(ensembles), len(chains) // ensembles)
    return np.asarray(rhat_nested(chains, superchain_ids=superchains, method="rank"))


def _reasons(
    names: Sequence[str],
    rhat: FloatArray,
    ess: FloatArray,
    tau: FloatArray,
    half: FloatArray,
    steps: int,
    wanted: Mapping[str, float],
) -> tuple[str, ...]:
    """Say what is not met, with the worst parameter; NaN never passes."""

    def worst(good: Any, badness: FloatArray, text: str) -> str | None:
        bad = ~np.asarray(good)
        if not bad.any():
            return None
        i = int(np.argmax(np.where(bad, np.nan_to_num(badness, nan=np.inf), -np.inf)))
        return text.format(name=names[i], rhat=rhat[i], ess=ess[i], tau=tau[i]) + (
            f" ({bad.sum()} of {bad.size} parameters fail)"
        )

    # A tau that grows with the chain is not measured yet; one that falls is only noisy.
    before = half[np.isfinite(half)].max(initial=0.0)
    found = (
        worst(
            rhat <= wanted["rhat"], rhat, f"R-hat of {{name}} is {{rhat:.3f}} > {wanted['rhat']:g}"
        ),
        worst(ess >= wanted["ess"], -ess, f"ESS of {{name}} is {{ess:.0f}} < {wanted['ess']:g}"),
        worst(
            steps >= LENGTH * tau,
            tau,
            f"{steps} kept steps are less than {LENGTH:g} autocorrelation times of {{name}}"
            " ({tau:.0f} steps)",
        ),
        worst(
            tau <= GROWTH * before,
            tau,
            "the autocorrelation time still grows with the chain: half of it gives at most"
            f" {before:.0f} steps, all of it {{tau:.0f}} for {{name}}",
        ),
    )
    return tuple(reason for reason in found if reason)
