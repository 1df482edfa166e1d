"""A mean function with its parameters: a line by default, or any function of numpy arrays."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import stats

from equatorium.checks import FloatArray, floats, instance, matrix, same_length, vector
from equatorium.errors import InputError, ShapeError
from equatorium.records.parameter import Parameter
from equatorium.records.space import Space

_WIDE = 2.5  # sd of a default prior, in scales of the data (Gelman et al. 2008)


@dataclass(frozen=True)
class Curve:
    """A function of x, and the parameters that it takes by name.

    Parameters
    ----------
    function : callable
        ``function(x, **values)``: x as the data give it, (n,) or (n, k); each value is a column
        (m, 1), so that arithmetic as if it were a number gives (m, n).
    parameters : iterable of Parameter
        Named as the function's arguments.
    derived : mapping, optional
        Names and arithmetic on the parameters, such as ``{"ratio": "a / w"}``, to be reported.

    Examples
    --------
    >>> parameters = [Parameter("a", 0, 2), Parameter("w", 1, 3)]
    >>> wave = Curve(lambda x, a, w: a * np.sin(w * x), parameters)
    >>> wave(np.linspace(0, 1, 5), {"a": np.ones((2, 1)), "w": np.ones((2, 1))}).shape
    (2, 5)
    """

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    derived: Mapping[str, str]

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Iterable[Parameter],
        derived: Mapping[str, str] | None = None,
    ) -> None:
        if not callable(function):
            raise InputError(f"function must be callable, but it is {function!r:.80}.")
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "parameters", Space(parameters).declared)
        object.__setattr__(self, "derived", dict(derived or {}))

    def space(self, others: Iterable[Parameter]) -> Space:
        """Give the space of its parameters and of others that follow."""
        return Space([*self.parameters, *others], self.derived)

    @classmethod
    def linear(cls, x: Any, y: Any) -> Self:
        r"""Take :math:`l + b\,(x - x_0)`, or :math:`l + \sum_j b_j (x_j - x_{0j})` for x (n, k).

        Parameters are ``level``, the value at the mean x_0 of the data, and ``slope``, or
        ``slope_1`` to ``slope_k``; ``intercept``, the value at x = 0, is derived from them. The
        level hardly depends on the slope, the intercept does: chains find their way among levels.

        Priors are weakly informative: the level is normal about the median of y with sd 2.5 s, each
        slope is normal about zero with sd 2.5 s / sd(x_j); s is the scale of y by its quartiles,
        which outliers do not move.

        References
        ----------
        Gelman et al. 2008, Ann. Appl. Stat. 2, 1360, doi:10.1214/08-AOAS191.
        """
        x, y = columns(x), vector(y, "y")
        same_length(x=x, y=y)
        centre, names, wide = x.mean(axis=0), slope_names(x.shape[1]), _WIDE * scale(y)

        def line(x: FloatArray, level: FloatArray, **slopes: FloatArray) -> FloatArray:
            steep = np.concatenate([slopes[name] for name in names], axis=1)
            return np.asarray(level + steep @ (columns(x) - centre).T)

        priors = [stats.norm(0.0, wide / s) for s in spread(x).tolist()]
        level = Parameter("level", prior=stats.norm(float(np.median(y)), wide))
        slopes = [Parameter(name, prior=p) for name, p in zip(names, priors, strict=True)]
        terms = (f"({c!r}) * {name}" for c, name in zip(centre.tolist(), names, strict=True))
        return cls(line, [level, *slopes], {"intercept": f"level - ({' + '.join(terms)})"})

    def __call__(self, x: FloatArray, values: dict[str, FloatArray]) -> FloatArray:
        """Values (m, n) at x, for columns (m, 1) of the parameters, and perhaps others.

        Raises
        ------
        ShapeError
            If the function returns another shape.
        """
        own = {p.name: values[p.name] for p in self.parameters}
        found = floats(self.function(x, **own), "The curve")
        shape = (len(next(iter(own.values()))), len(x))
        try:
            return np.broadcast_to(found, shape)
        except ValueError:
            raise ShapeError(
                f"The function of a Curve must give shape {shape} for {shape[0]} points and "
                f"{shape[1]} data, but it gave {found.shape}. Its parameters come as columns "
                f"({shape[0]}, 1): use them as if they were numbers."
            ) from None


def columns(x: Any) -> FloatArray:
    """Take x (n,) or (n, k) as columns (n, k)."""
    x = floats(x, "x")
    return matrix(x[:, None] if x.ndim == 1 else x, "x")


def slope_names(k: int) -> tuple[str, ...]:
    """Name the slopes of k columns.

    >>> slope_names(1), slope_names(2)
    (('slope',), ('slope_1', 'slope_2'))
    """
    return ("slope",) if k == 1 else tuple(f"slope_{j + 1}" for j in range(k))


def scale(y: FloatArray) -> float:
    """Give the standard deviation of y (n,) by its quartiles, or of all if half of them agree.

    >>> round(scale(stats.norm.ppf((np.arange(999) + 0.5) / 999)), 2)
    1.0
    """
    low, high = np.quantile(y, [0.25, 0.75])
    found = float(high - low) / 1.349 or float(y.std())
    if not found:
        raise InputError("y must vary: all its values are the same.")
    return found


def spread(x: FloatArray) -> FloatArray:
    """Give the standard deviation (k,) of each column (n, k), which must not be zero."""
    std = np.asarray(x.std(axis=0))
    if not (std > 0).all():
        raise InputError("x must vary: all its values in a column are the same.")
    return std


def deviations(y_err: Any, n: int, name: str = "y_err") -> FloatArray:
    """Check standard deviations, one a datum or one for all, (n,), above zero."""
    err = floats(y_err, name)
    err = vector(np.full(n, err) if err.ndim == 0 else err, name, n)
    if not (err > 0).all():
        raise InputError(
            f"{name} must be positive standard deviations, but the least is {err.min()}."
        )
    return err


def check_curve(curve: Any) -> Curve:
    """Raise InputError unless it is a Curve."""
    instance(curve, Curve, "curve")
    return curve  # type: ignore[no-any-return]
