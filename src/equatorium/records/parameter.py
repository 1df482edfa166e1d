"""One parameter of a simulator: its range, scale, unit and prior."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from equatorium.errors import InputError
from equatorium.records.base import Record
from equatorium.records.prior import Spec, Truncated, frozen, prior_spec

_TAIL = 1e-4  # infinite support is cut at these quantiles


@dataclass(frozen=True, eq=False)
class Parameter(Record):
    """A named number in a range.

    Parameters
    ----------
    name : str
    low, high : float or astropy Quantity, optional
        Closed range in physical units. Left out (or infinite), they are the edges of the prior's
        support, or its 1e-4 quantiles where the support is infinite. A Quantity is converted to
        `unit`, or gives it.
    scale : {"linear", "log"}
        The scaled coordinate is the value or its logarithm.
    unit, label, description : str
        For axes (labels may hold LaTeX) and reports.
    default : float, optional
        A sensible value; the median of the prior if left out.
    prior : optional
        None is uniform in the scaled coordinate. Otherwise a frozen ``scipy.stats`` distribution of
        the *physical* value, truncated to [low, high] and renormalised; or "uniform",
        "loguniform", or ``{"dist": "norm", "loc": 0, "scale": 1}``.

    Raises
    ------
    InputError
        If the range is reversed, holds zero on a log scale, or leaves the default outside.

    Examples
    --------
    >>> from scipy import stats
    >>> Parameter("alpha", prior=stats.norm(0.0, 1.0)).high.__round__(3)
    3.719
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    scale: str = "linear"
    unit: str = ""
    label: str = ""
    default: float | None = None
    prior: Any = None
    description: str = ""
    above: str = ""
    below: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"A parameter needs a name (text), but it is {self.name!r}.")
        for what in ("unit", "label", "description", "above", "below"):
            if not isinstance(getattr(self, what), str):
                raise InputError(
                    f"The {what} of parameter {self.name!r} must be text, but it is "
                    f"{getattr(self, what)!r}."
                )
        if self.scale not in ("linear", "log"):
            raise InputError(
                f"The scale of parameter {self.name!r} must be 'linear' or 'log', "
                f"but it is {self.scale!r}."
            )
        for side in ("low", "high", "default"):
            object.__setattr__(self, side, self._unitless(side))
        object.__setattr__(self, "prior", prior_spec(self.prior, self.name))
        for side in ("low", "high"):
            object.__setattr__(self, side, self._edge(side))
        self._check_range()
        if self.default is not None:
            object.__setattr__(self, "default", self._number("default", self.default))
            if not self.low <= self.default <= self.high:
                raise InputError(
                    f"The default of parameter {self.name!r}, {self.default:.6g}, lies outside "
                    f"its range [{self.low:.6g}, {self.high:.6g}]."
                )
        self.distribution  # noqa: B018  (a prior without mass in the box raises here, not later)

    def _unitless(self, side: str) -> Any:
        """Turn a Quantity into a number in `unit`, which it gives where there is none yet."""
        value = getattr(self, side)
        if not hasattr(value, "to_value"):
            return value
        if not self.unit:
            object.__setattr__(self, "unit", str(value.unit))
        try:
            return value.to_value(self.unit)
        except ValueError as error:
            raise InputError(
                f"{side} of parameter {self.name!r} is {value}, which cannot be given in its unit "
                f"{self.unit!r}: {error}"
            ) from error

    def _number(self, what: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{what} of parameter {self.name!r} must be a number, but it is {value!r}."
            ) from error

    def _edge(self, side: str) -> float:
        given = getattr(self, side)
        value = self._number(
            side, (-np.inf if side == "low" else np.inf) if given is None else given
        )
        if np.isfinite(value) or np.isnan(value):
            return value
        if not isinstance(self.prior, dict):
            raise InputError(
                f"Parameter {self.name!r} has no finite {side}. Give one, or a prior to take it "
                "from, such as scipy.stats.norm(0, 1)."
            )
        base = frozen(self.prior)
        support = float(base.support()[0 if side == "low" else 1])
        tail = float(base.ppf(_TAIL) if side == "low" else base.isf(_TAIL))
        usable = np.isfinite(support) and not (self.scale == "log" and support <= 0)
        return support if usable else tail

    def _check_range(self) -> None:
        low, high, name = self.low, self.high, self.name
        if not low < high:
            came = f"low = {low:.6g} and high = {high:.6g}"
            hint = " Are they swapped?" if low > high else ""
            raise InputError(f"Parameter {name!r} needs low < high, but it has {came}.{hint}")
        if not np.isfinite(high - low):
            raise InputError(
                f"The range of parameter {name!r}, [{low:.6g}, {high:.6g}], is too wide for "
                "floating-point numbers. Narrow it, or give another unit."
            )
        if low <= 0 and (self.scale == "log" or self.prior == "loguniform"):
            raise InputError(
                f"Parameter {name!r} is on a log scale, which needs low > 0, but low = {low:.6g}. "
                "Give a positive low, or scale='linear'."
            )

    def get_state(self) -> dict[str, Any]:
        """All fields; conditional bounds only where there are any."""
        state = super().get_state()
        return {k: v for k, v in state.items() if v or k not in ("above", "below")}

    @classmethod
    def _rebuild(cls, state: Mapping[str, Any]) -> Self:
        return super()._rebuild({"above": "", "below": "", **state})

    @property
    def flat(self) -> bool:
        """Whether the prior is uniform in the scaled coordinate over the whole box."""
        return self.prior in (None, self._natural)

    @property
    def _natural(self) -> str:
        return "loguniform" if self.scale == "log" else "uniform"

    @cached_property
    def distribution(self) -> Truncated:
        """The prior of the physical value, truncated to the box."""
        spec: Spec | str = self.prior or self._natural
        if isinstance(spec, str):
            second = self.high - self.low if spec == "uniform" else self.high
            spec = {"dist": spec, "args": [self.low, second], "kwds": {}}
        try:
            return Truncated(frozen(spec), self.low, self.high)
        except InputError as error:
            raise InputError(f"Parameter {self.name!r}: {error}") from error

    def to_scaled(self, x: Any) -> Any:
        """Give the value, or its logarithm on a log scale."""
        return np.log(x) if self.scale == "log" else x

    @property
    def axis_label(self) -> str:
        """Label with unit, for axes."""
        return (self.label or self.name) + (f" [{self.unit}]" if self.unit else "")
