"""A parameter's prior: a scipy.stats distribution truncated to the box and renormalised.

Only names of continuous distributions of ``scipy.stats`` are accepted, with plain numbers as their
arguments, so that a prior can be written to a file and read back without evaluating anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray
from equatorium.errors import InputError, UnknownNameError, did_you_mean

Spec = dict[str, Any]
_KNOWN = {
    name: getattr(stats, name)
    for name in stats.__all__
    if isinstance(getattr(stats, name), stats.rv_continuous)
}


def prior_spec(prior: Any, name: str) -> Spec | str | None:
    """Give a prior its one JSON form, ``{"dist": name, "args": [...], "kwds": {...}}``.

    Parameters
    ----------
    prior : None, str, mapping or frozen scipy.stats distribution
        A mapping is ``{"dist": "norm", "loc": 0, "scale": 1}`` or the form that is returned;
        "uniform" and "loguniform" stand for the whole box and stay as they are.
    name : str
        The parameter, for errors.
    """
    if prior is None:
        return None
    if isinstance(prior, str):
        if prior not in ("uniform", "loguniform"):
            raise InputError(
                f"The prior of {name!r} may be 'uniform' or 'loguniform' as a word, but it is "
                f"{prior!r}. Give others as {{'dist': 'norm', 'loc': ..., 'scale': ...}} or as a "
                "frozen scipy.stats distribution."
            )
        return prior
    if isinstance(prior, Mapping):
        given = dict(prior)
        dist, args = str(given.pop("dist", "")), given.pop("args", [])
        kwds = {**dict(given.pop("kwds", {})), **given}
    elif hasattr(prior, "dist") and hasattr(prior, "args") and hasattr(prior, "kwds"):
        dist, args, kwds = str(prior.dist.name), prior.args, prior.kwds
    else:
        raise InputError(
            f"The prior of {name!r} must be a frozen scipy.stats distribution such as "
            f"stats.norm(0, 1), but it is {prior!r}."
        )
    if dist not in _KNOWN:
        raise UnknownNameError(
            f"The prior of {name!r} names {dist!r}, which is not a continuous distribution of "
            f"scipy.stats.{did_you_mean(dist, _KNOWN)}"
        )
    try:
        spec = {
            "dist": dist,
            "args": [float(a) for a in args],
            "kwds": {str(key): float(value) for key, value in kwds.items()},
        }
        frozen(spec)
    except (TypeError, ValueError) as error:
        raise InputError(f"The prior of {name!r}, {dist}, cannot be built: {error}") from error
    return spec


def frozen(spec: Spec) -> Any:
    """Build the scipy.stats distribution of a spec; raises ValueError outside its domain."""
    distribution = _KNOWN[spec["dist"]](*spec["args"], **spec["kwds"])
    if not np.isfinite(distribution.ppf(0.5)):
        raise ValueError("its parameters are outside its domain")
    return distribution


@dataclass(frozen=True)
class Truncated:
    """A distribution cut to [low, high]; all methods work on arrays of points inside.

    The box may lie far out in a tail, where differences of the cdf lose all digits. So each edge is
    reached from the side of the distribution where its tail is the smaller.
    """

    base: Any
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.mass > 0:
            raise InputError(f"The prior has no probability inside [{self.low}, {self.high}].")

    @cached_property
    def _below(self) -> tuple[float, float]:
        return float(self.base.cdf(self.low)), float(self.base.cdf(self.high))

    @cached_property
    def _above(self) -> tuple[float, float]:
        return float(self.base.sf(self.low)), float(self.base.sf(self.high))

    @cached_property
    def mass(self) -> float:
        """Probability of the box under the distribution before it was cut."""
        if self._below[0] > 0.5:
            return self._above[0] - self._above[1]
        return self._below[1] - self._below[0]

    def cdf(self, x: FloatArray) -> FloatArray:
        """Probability below x, accurate where it is tiny."""
        if self._below[0] > 0.5:
            part = self._above[0] - self.base.sf(x)
        else:
            part = self.base.cdf(x) - self._below[0]
        return np.asarray(np.clip(part / self.mass, 0.0, 1.0))

    def sf(self, x: FloatArray) -> FloatArray:
        """Probability above x, accurate where it is tiny."""
        if self._below[1] > 0.5:
            part = self.base.sf(x) - self._above[1]
        else:
            part = self._below[1] - self.base.cdf(x)
        return np.asarray(np.clip(part / self.mass, 0.0, 1.0))

    def ppf(self, c: FloatArray) -> FloatArray:
        """Point with probability c below it; inverse of `cdf`."""
        if self._below[0] > 0.5:
            x = self.base.isf(self._above[0] - c * self.mass)
        else:
            x = self.base.ppf(self._below[0] + c * self.mass)
        return np.asarray(np.clip(x, self.low, self.high))

    def isf(self, c: FloatArray) -> FloatArray:
        """Point with probability c above it; inverse of `sf`."""
        if self._below[1] > 0.5:
            x = self.base.isf(self._above[1] + c * self.mass)
        else:
            x = self.base.ppf(self._below[1] - c * self.mass)
        return np.asarray(np.clip(x, self.low, self.high))

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log density, for points inside."""
        return np.asarray(self.base.logpdf(x) - np.log(self.mass))
