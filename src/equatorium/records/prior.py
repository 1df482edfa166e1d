"""A parameter's prior: a scipy.stats distribution truncated to the box and renormalised.

Only names of continuous distributions of ``scipy.stats`` are accepted, with plain numbers as their
arguments, so that a prior can be written to a file and read back without evaluating anything.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from equatorium.checks import FloatArray
from equatorium.errors import InputError, UnknownNameError, did_you_mean

Spec = dict[str, Any]
_KNOWN = {
    name: getattr(stats, name)
    for name in stats.__all__
    if isinstance(getattr(stats, name), stats.rv_continuous)
}


SHORT: dict[str, Callable[..., Spec]] = {
    "uniform": lambda low, high: {"dist": "uniform", "loc": low, "scale": high - low},
    "loguniform": lambda low, high: {"dist": "loguniform", "a": low, "b": high},
    "normal": lambda mean, sd: {"dist": "norm", "loc": mean, "scale": sd},
    "halfnormal": lambda sd: {"dist": "halfnorm", "scale": sd},
    "lognormal": lambda mean, sd: {"dist": "lognorm", "s": sd, "scale": float(np.exp(mean))},
    "cauchy": lambda centre, scale: {"dist": "cauchy", "loc": centre, "scale": scale},
    "student_t": lambda df, centre, scale: {"dist": "t", "df": df, "loc": centre, "scale": scale},
    "exponential": lambda mean: {"dist": "expon", "scale": mean},
    "gamma": lambda shape, scale: {"dist": "gamma", "a": shape, "scale": scale},
    "beta": lambda a, b: {"dist": "beta", "a": a, "b": b},
}
"""Priors that can be written as text; mean and sd of "lognormal" are those of the logarithm."""


def _written(text: str, name: str) -> Spec:
    """Read a prior such as "normal(0, 1)"."""
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text)
    word, numbers = match.groups() if match else (text, "")
    if word not in SHORT:
        raise UnknownNameError(
            f"The prior of {name!r} may be written 'uniform' or 'loguniform' (over its range), or "
            f"as one of {', '.join(_usage(w) for w in SHORT)}, but it is {text!r}. Give others as "
            f"a frozen scipy.stats distribution.{did_you_mean(word, SHORT)}"
        )
    try:
        values = [float(number) for number in numbers.split(",")]
        return SHORT[word](*values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The prior of {name!r} is {text!r}, but it must be {_usage(word)}, with numbers."
        ) from error


def _usage(word: str) -> str:
    return f"{word}({', '.join(inspect.signature(SHORT[word]).parameters)})"


def prior_spec(prior: Any, name: str) -> Spec | str | None:
    """Give a prior its one JSON form, ``{"dist": name, "args": [...], "kwds": {...}}``.

    Parameters
    ----------
    prior : None, str, mapping or frozen scipy.stats distribution
        A mapping is ``{"dist": "norm", "loc": 0, "scale": 1}`` or the form that is returned;
        "uniform" and "loguniform" stand for the whole box and stay as they are. Other text is one
        of `SHORT`, such as "normal(0, 1)".
    name : str
        The parameter, for errors.
    """
    if prior is None:
        return None
    if isinstance(prior, str):
        if prior in ("uniform", "loguniform"):
            return prior
        prior = _written(prior, name)
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
    reached from the side of the distribution where its tail is the smaller. The edges are numbers,
    or one for each point; then some may leave nothing: `possible` says where.
    """

    base: Any
    low: Any
    high: Any

    def __post_init__(self) -> None:
        if np.ndim(self.low) == 0 and not self.possible:
            raise InputError(
                f"The prior has no probability inside [{self.low:.6g}, {self.high:.6g}]."
            )

    @cached_property
    def _below(self) -> tuple[FloatArray, FloatArray]:
        return np.asarray(self.base.cdf(self.low)), np.asarray(self.base.cdf(self.high))

    @cached_property
    def _above(self) -> tuple[FloatArray, FloatArray]:
        return np.asarray(self.base.sf(self.low)), np.asarray(self.base.sf(self.high))

    @cached_property
    def possible(self) -> npt.NDArray[np.bool_]:
        """Whether the edges leave any probability between them."""
        return np.asarray(self._between > 0)

    @cached_property
    def mass(self) -> FloatArray:
        """Probability of the box under the distribution before it was cut; 1 if it has none."""
        return np.where(self.possible, self._between, 1.0)

    @cached_property
    def _between(self) -> FloatArray:
        return _either(
            self._below[0] > 0.5,
            lambda: self._above[0] - self._above[1],
            lambda: self._below[1] - self._below[0],
        )

    def cdf(self, x: FloatArray) -> FloatArray:
        """Probability below x, accurate where it is tiny."""
        part = _either(
            self._below[0] > 0.5,
            lambda: self._above[0] - self.base.sf(x),
            lambda: self.base.cdf(x) - self._below[0],
        )
        return np.asarray(np.clip(part / self.mass, 0.0, 1.0))

    def sf(self, x: FloatArray) -> FloatArray:
        """Probability above x, accurate where it is tiny."""
        part = _either(
            self._below[1] > 0.5,
            lambda: self.base.sf(x) - self._above[1],
            lambda: self._below[1] - self.base.cdf(x),
        )
        return np.asarray(np.clip(part / self.mass, 0.0, 1.0))

    def ppf(self, c: FloatArray) -> FloatArray:
        """Point with probability c below it; inverse of `cdf`."""
        x = _either(
            self._below[0] > 0.5,
            lambda: self.base.isf(self._above[0] - c * self.mass),
            lambda: self.base.ppf(self._below[0] + c * self.mass),
        )
        return self._boxed(x)

    def isf(self, c: FloatArray) -> FloatArray:
        """Point with probability c above it; inverse of `sf`."""
        x = _either(
            self._below[1] > 0.5,
            lambda: self.base.isf(self._above[1] + c * self.mass),
            lambda: self.base.ppf(self._below[1] - c * self.mass),
        )
        return self._boxed(x)

    def _boxed(self, x: FloatArray) -> FloatArray:
        """Undo rounding; where nothing is possible any number will do, but NaN would spread."""
        return np.where(self.possible, np.clip(x, self.low, self.high), self.high)

    def from_tails(
        self, below: FloatArray, above: FloatArray, lower: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """Points (m,) by the probability below or, where not `lower`, above them."""
        if np.ndim(self.low):
            return np.asarray(np.where(lower, self.ppf(below), self.isf(above)))
        x: FloatArray = np.empty(len(below))
        x[lower], x[~lower] = self.ppf(below[lower]), self.isf(above[~lower])
        return x

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log density, for points inside."""
        return np.asarray(self.base.logpdf(x) - np.log(self.mass))


def _either(first: Any, one: Callable[[], Any], other: Callable[[], Any]) -> FloatArray:
    """Evaluate the one that is wanted; both where that differs from point to point."""
    if np.ndim(first) == 0:
        return np.asarray(one() if first else other())
    return np.asarray(np.where(first, one(), other()))
