"""What a state of ``trend-gp`` must be, checked before anything is computed with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equatorium.errors import InputError, StateError
from equatorium_gp.trend import terms


def check_state(model: Any) -> None:
    """Check every array of a state before anything is computed with it.

    Raises
    ------
    StateError
        Naming the array, what was expected and what came.
    """
    for name in ("n_outputs_", "y_ndim_"):
        if not isinstance(getattr(model, name, None), int | np.integer):
            raise StateError(f"the state of TrendGP needs a whole number {name!r}.")
    n = len(getattr(model, "X_", ()))
    d, p = model.n_features_in_, model.n_outputs_
    group = getattr(model, "group_", None)
    if not isinstance(group, np.ndarray) or group.ndim != 1 or group.dtype.kind != "i":
        raise StateError("the state of TrendGP needs an array of whole numbers 'group_'.")
    k, g = len(group), int(group.max(initial=-1)) + 1
    if not 1 <= k <= p or set(group.tolist()) != set(range(g)):
        raise StateError("'group_' of the state of TrendGP must number groups 0, 1, ...")
    shapes: dict[str, tuple[int | None, ...]] = {
        "X_": (n, d), "Y_": (n, p), "low_": (d,), "width_": (d,), "center_": (p,),
        "mixing_": (k, p), "unmixing_": (p, k), "active_": (None,), "run_noise_": (g, n),
        "output_noise_": (None,), "ratio_": (k,), "scale_": (k,), "delta_": (g,),
        "variance_factor_": (g,), "kernel_parameters_": (g, None), "error_correlation_": (k, k),
        "variance_function_": (g, 1 + 2 * d), "nugget_function_": (g, 1 + 2 * d),
        "coefficients_": (None, p),
        "noise_": (None, p), "one_ratio_": (g,), "common_": (None,),
    }  # fmt: skip
    for name, shape in shapes.items():
        value = getattr(model, name, None)
        kind = "i" if name in ("active_", "one_ratio_") else "f"
        if (
            not isinstance(value, np.ndarray)
            or value.dtype.kind != kind
            or len(value.shape) != len(shape)
            or any(b not in (None, a) for a, b in zip(value.shape, shape, strict=True))
            or not np.isfinite(value).all()
        ):
            raise StateError(
                f"the state of TrendGP needs a finite array {name!r} of shape {shape}."
            )
    for name in ("width_", "run_noise_", "scale_"):
        if (getattr(model, name) <= 0).any():
            raise StateError(f"{name!r} of the state of TrendGP must be positive.")
    for name in ("delta_", "ratio_", "output_noise_", "noise_"):
        if (getattr(model, name) < 0).any():
            raise StateError(f"{name!r} of the state of TrendGP must not be negative.")
    if n < 2:
        raise StateError(f"'X_' of the state of TrendGP must hold 2 runs at least, not {n}.")
    if model.output_noise_.size not in (0, k):
        raise StateError(f"'output_noise_' of the state of TrendGP must hold {k} values, or none.")
    if len(model.noise_) not in (0, n):
        raise StateError(f"'noise_' of the state of TrendGP must have {n} rows, or none.")
    if np.linalg.eigvalsh(model.error_correlation_)[0] <= 0.0:
        raise StateError("'error_correlation_' of the state of TrendGP is no correlation.")
    if (model.variance_factor_ < 1.0).any():
        raise StateError("'variance_factor_' of the state of TrendGP must be from 1.")
    for name in ("variance_function_", "nugget_function_"):
        if (np.abs(getattr(model, name)) > 1e6).any():
            raise StateError(f"{name!r} of the state of TrendGP must be within 1e6.")
    if k < p and not model.output_correlation:
        raise StateError("'mixing_' of the state of TrendGP must have a row for every output.")
    inside = (model.active_ >= 0) & (model.active_ < d)
    texts = [getattr(model, name, None) for name in ("kernel_", "trend_", "sharing_")]
    if not inside.all() or not all(isinstance(text, str) for text in texts):
        raise StateError(
            "'active_', 'kernel_', 'trend_' or 'sharing_' of the state of TrendGP is damaged."
        )
    try:
        t = len(terms(model.trend_, model.active_.tolist()))
    except InputError as error:
        raise StateError(f"'trend_' of the state of TrendGP is damaged: {error}") from error
    if len(model.coefficients_) != t or t >= n:
        raise StateError(
            f"the state of TrendGP has {len(model.coefficients_)} 'coefficients_' and {n} runs for "
            f"a trend of {t} terms."
        )


def migrated(state: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Translate a state of an earlier version, whose nuggets are the same everywhere.

    Before 4 the errors were, too.

    Raises
    ------
    StateError
        If it is damaged.
    """
    try:
        new = _without_components(state) if version == 1 else dict(state)
        new = _with_noise(new) if version < 3 else new
        even = np.zeros((len(new["delta_"]), 1 + 2 * new["X_"].shape[1]))
        if version < 4:
            new["variance_function_"] = even
        return {**new, "nugget_function_": even}
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise StateError(f"the state of TrendGP, version {version}, is damaged.") from error


def _with_noise(new: dict[str, Any]) -> dict[str, Any]:
    """Translate a state of version 2, which had neither sharing nor the runs' declared noise."""
    groups, (n, p) = len(new["delta_"]), new["Y_"].shape
    noise = np.zeros((0, p))
    if new["output_noise_"].size:
        levels = new["run_noise_"][new["group_"]].T * new["output_noise_"]
        noise = np.maximum(levels @ new["mixing_"] ** 2, 0.0).reshape(n, p)
    sharing = "all" if (new["group_"] == 0).all() else "components"
    return {
        **new,
        "sharing_": sharing,
        "common_": np.zeros(0),
        "one_ratio_": np.zeros(groups, dtype=np.int64),
        "noise_": noise,
    }


def _without_components(state: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a state of version 1, where every output was its own component."""
    new = dict(state)
    spread, correlation = new.pop("spread_"), new.pop("output_correlation_")
    if new["output_noise_"].size:
        new["output_noise_"] = new["output_noise_"] / spread**2
    for name in ("run_noise_", "kernel_parameters_", "delta_", "variance_factor_"):
        new[name] = np.asarray(new[name], dtype=np.float64)[None]
    return {
        **new,
        "mixing_": np.diag(spread),
        "unmixing_": np.diag(1.0 / spread),
        "group_": np.zeros(len(spread), dtype=np.int64),
        "error_correlation_": correlation,
        "log_likelihood_": float(new["log_likelihood_"].sum()),
    }
