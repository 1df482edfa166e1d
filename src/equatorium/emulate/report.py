r"""How an emulator did on runs that it had not seen: skill, and whether its error bars are honest.

Either alone is worthless: an emulator that calls everything noise has perfect coverage and no
skill; one that is nearly right but much too sure rules out the truth.

Over the n held-out runs, with total predictive standard deviation s (declared noise included) and
:math:`z = (y - \mu) / s`, an honest Gaussian emulator has mean z near 0, mean :math:`z^2` near 1,
probability integral transforms F(y) that are uniform, and central intervals of probability a that
hold a share a of the truths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, floats, read_only
from equatorium.emulate.table import tabulate
from equatorium.errors import InputError, ShapeError
from equatorium.records.base import Record, entries

__all__ = ["Gates", "Report"]

LEVELS = (0.5, 0.68, 0.95)


@dataclass(frozen=True)
class Gates:
    """What an emulator must reach before it may judge data.

    Attributes
    ----------
    skill : float
        Least median over the outputs of the skill, see `Report.skill`.
    level : float
        Nominal probability of the intervals whose pooled coverage is judged ...
    probability : float
        ... against the band that an honest emulator keeps to with this probability.
    z2 : tuple of float
        An emulator whose coverage is outside the band passes nevertheless if its mean squared
        standardised error lies in here: with thousands of held-out numbers the band becomes
        narrower than matters.
    """

    skill: float = 0.5
    level: float = 0.95
    probability: float = 0.99
    z2: tuple[float, float] = (0.5, 1.5)


@dataclass(frozen=True, eq=False)
class Report(Record):
    """Scores of n held-out runs and p outputs.

    Parameters
    ----------
    names : sequence of str
        The outputs.
    truth, mean, std : array_like, shape (n, p)
        Held-out values; predicted means; total predictive standard deviations, with the declared
        noise of the held-out values. NaN in `std` if the emulator states no variance.
    pit : array_like, shape (n, p)
        Probability integral transforms F(truth); NaN if the emulator states no variance.
    crps : array_like, shape (p,)
        Continuous ranked probability scores, in the outputs' unit; smaller is better.
    noise : array_like, shape (n, p), optional
        Declared noise variance of the held-out values.
    method : str
        How the runs were held out.
    gates : Gates
        What counts as passing.

    References
    ----------
    - Gneiting & Raftery 2007, JASA 102, 359, doi:10.1198/016214506000001437
    - Bastos & O'Hagan 2009, Technometrics 51, 425, doi:10.1198/TECH.2009.08019
    - Kish 1965, Survey Sampling (Wiley), section 5.4: the design effect of clusters.
    """

    names: Sequence[str]
    truth: FloatArray
    mean: FloatArray
    std: FloatArray
    pit: FloatArray
    crps: FloatArray
    noise: FloatArray | None = None
    method: str = "held out"
    gates: Gates = field(default_factory=Gates)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        object.__setattr__(self, "names", names)
        truth = floats(self.truth, "truth")
        if truth.ndim != 2 or len(truth) < 2 or truth.shape[1] != len(names):
            raise ShapeError(
                f"A report needs at least 2 held-out runs and one column for each of "
                f"{len(names)} outputs, but truth has shape {truth.shape}."
            )
        for name in ("truth", "mean", "std", "pit", "noise", "crps"):
            value = getattr(self, name)
            expected = (len(names),) if name == "crps" else truth.shape
            if value is not None and np.shape(value) != expected:
                raise ShapeError(f"{name} must have shape {expected}, not {np.shape(value)}.")
            object.__setattr__(self, name, None if value is None else read_only(value))

    @property
    def n(self) -> int:
        """Number of held-out runs."""
        return len(self.truth)

    @property
    def p(self) -> int:
        """Number of outputs."""
        return len(self.names)

    @property
    def states_variance(self) -> bool:
        """Whether the emulator said how sure it was."""
        return not bool(np.isnan(self.std).any())

    @cached_property
    def z(self) -> FloatArray:
        """Standardised errors (truth - mean) / std, shape (n, p)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (self.truth - self.mean) / self.std
        # Exact and sure of it: no error at all, instead of 0/0.
        return np.where((self.std == 0) & (self.truth == self.mean), 0.0, z)

    @cached_property
    def rmse(self) -> FloatArray:
        """Root mean squared errors, shape (p,)."""
        return np.asarray(np.sqrt(np.mean((self.truth - self.mean) ** 2, axis=0)))

    @cached_property
    def r2(self) -> FloatArray:
        """1 - MSE / variance of the held-out values, shape (p,); NaN for a constant output."""
        return _explained(self.rmse**2, self.truth.var(axis=0))

    @cached_property
    def skill(self) -> FloatArray:
        """R2 with the mean declared noise taken off both variances, shape (p,).

        R2 cannot reach 1 with noisy runs; this is the share of what could be explained.
        """
        noise = 0.0 if self.noise is None else self.noise.mean(axis=0)
        signal = self.truth.var(axis=0) - noise
        return _explained(np.maximum(self.rmse**2 - noise, 0.0), signal)

    @property
    def mean_z(self) -> FloatArray:
        """Mean standardised errors, shape (p,): biases."""
        return np.asarray(self.z.mean(axis=0))

    @property
    def mean_z2(self) -> FloatArray:
        """Mean squared standardised errors, shape (p,): above 1 too sure, below 1 too modest."""
        return np.asarray(np.mean(self.z**2, axis=0))

    @property
    def coverage(self) -> dict[float, FloatArray]:
        """Shares of the truths in the central intervals of probability 0.5, 0.68, 0.95, (p,)."""
        return {level: self._hits(level).mean(axis=0) for level in LEVELS}

    def pooled_coverage(self, level: float) -> float:
        """Share of all n p held-out values inside their central intervals."""
        return float(self._hits(level).mean())

    def effective_n(self, level: float) -> float:
        r"""Count the independent trials that the n p hits and misses are worth, in [n, n p].

        Outputs of one run are missed together. With c_i the coverage within run i, hits worth
        n p independent ones would have Var(c_i) = c (1 - c) / p; the ratio is the design effect
        :math:`1 + (p - 1) \rho`, rho the correlation within a run, by which n p is divided
        (Kish 1965).
        It is 1 to p; with no miss at all nobody can tell, and p is assumed.
        """
        hits = self._hits(level)
        c = hits.mean()
        within = c * (1 - c) / self.p
        effect = self.p if within == 0 else hits.mean(axis=1).var(ddof=1) / within
        return float(self.n * self.p / np.clip(effect, 1.0, self.p))

    def coverage_band(
        self, level: float, probability: float = 0.99, n: float | None = None
    ) -> tuple[float, float]:
        """Binomial band around `level` that an honest emulator's coverage keeps to.

        Parameters
        ----------
        level : float
            Nominal probability of the intervals.
        probability : float
            Of the band.
        n : float, optional
            Trials: by default `effective_n`, for the pooled coverage. The number of runs for that
            of one output; n p would be right for independent outputs, which they never are.
        """
        trials = int(self.effective_n(level) if n is None else n)
        low, high = stats.binom.interval(probability, trials, level)
        return float(low / trials), float(high / trials)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why the emulator does not pass; empty if it does."""
        if not self.states_variance:
            return ("it states no variance, so its coverage cannot be judged",)
        gates, found = self.gates, []
        skill = _nanmedian(self.skill)
        if skill < gates.skill:
            found.append(
                f"its median skill over {self.p} outputs is {skill:.2f}, below {gates.skill:g}"
            )
        low, high = self.coverage_band(gates.level, gates.probability)
        share, z2 = self.pooled_coverage(gates.level), float(self.mean_z2.mean())
        if not low <= share <= high and not gates.z2[0] <= z2 <= gates.z2[1]:
            found.append(
                f"its {100 * gates.level:g} % intervals hold {100 * share:.1f} % of "
                f"{self.n} x {self.p} held-out values ({100 * low:.1f} to {100 * high:.1f} % would "
                f"be honest), and its mean squared standardised error is {z2:.2g} "
                f"({gates.z2[0]:g} to {gates.z2[1]:g} is accepted)"
            )
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether it passes the gates."""
        return not self.reasons

    @cached_property
    def dishonest(self) -> tuple[str, ...]:
        """Outputs whose error bars are wrong on their own, by the same gates.

        The band of each is that of n runs, at 1 - (1 - probability) / p (Bonferroni). Little skill
        is no reason: an output with wide and honest error bars rules out little, and harms nobody.
        """
        if not self.states_variance:
            return tuple(self.names)
        gates = self.gates
        confidence = 1 - (1 - gates.probability) / self.p
        low, high = self.coverage_band(gates.level, confidence, self.n)
        share, z2 = self._hits(gates.level).mean(axis=0), self.mean_z2
        wrong = ((share < low) | (share > high)) & ((z2 < gates.z2[0]) | (z2 > gates.z2[1]))
        return tuple(name for name, bad in zip(self.names, wrong, strict=True) if bad)

    def select(self, indices: Any) -> Self:
        """Report on the outputs at `indices` (a list, slice or mask), in that order."""
        chosen = np.atleast_1d(np.arange(self.p)[indices])
        state = self.get_state() | {"names": [self.names[i] for i in chosen]}
        for name in ("truth", "mean", "std", "pit", "noise", "crps"):
            if state[name] is not None:
                state[name] = state[name][..., chosen]
        return self.from_state(state)

    def summary(self) -> str:
        """Give the scores as an aligned table: one row an output, or quantiles if more than 12."""
        return tabulate(self)

    def get_state(self) -> dict[str, Any]:
        """Give what was held out and predicted; all scores follow from it."""
        gates = asdict(self.gates)
        return {**super().get_state(), "gates": {**gates, "z2": list(gates["z2"])}}

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        (gates,) = entries(state, "gates", of="Report")
        low, high = (float(z2) for z2 in gates["z2"])
        return super()._rebuild({**state, "gates": Gates(**{**gates, "z2": (low, high)})})

    def _hits(self, level: float) -> Any:
        """Whether each held-out value lies in its central interval, shape (n, p), as 0. or 1."""
        if not 0 < level < 1:
            raise InputError(f"An interval's probability lies between 0 and 1, not {level!r}.")
        if not self.states_variance:
            return np.full(self.truth.shape, np.nan)
        return (np.abs(self.pit - 0.5) <= level / 2).astype(float)


def _explained(error: Any, variance: Any) -> FloatArray:
    """1 - error / variance, NaN where there is no variance to explain."""
    positive = variance > 0
    return np.where(positive, 1 - error / np.where(positive, variance, 1.0), np.nan)


def _nanmedian(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
