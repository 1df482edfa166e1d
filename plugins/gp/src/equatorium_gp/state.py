"""What a state of ``trend-gp`` must be, checked before anything is computed with it."""

from typing import Any

import numpy as np

from equatorium.errors import StateError


def check_state(model: Any) -> None:
    """Check every array of a state before anything is computed with it.

    Raises
    ------
    StateError
        Naming the array, what was expected and what came.
    """
    n = len(getattr(model, "X_", ()))
    d, p = model.n_features_in_, model.n_outputs_
    shapes: dict[str, tuple[int | None, ...]] = {
        "X_": (n, d), "Y_": (n, p), "low_": (d,), "width_": (d,), "center_": (p,), "spread_": (p,),
        "active_": (None,), "run_noise_": (n,), "output_noise_": (None,), "ratio_": (p,),
        "scale_": (p,), "kernel_parameters_": (None,), "output_correlation_": (p, p),
        "log_likelihood_": (p,), "coefficients_": (None, p),
    }  # fmt: skip
    for name, shape in shapes.items():
        value = getattr(model, name, None)
        kind = "i" if name == "active_" else "f"
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
    positive = ("width_", "spread_", "run_noise_", "scale_")
    for name in positive:
        if (getattr(model, name) <= 0).any():
            raise StateError(f"{name!r} of the state of TrendGP must be positive.")
    if model.output_noise_.size not in (0, p) or (model.output_noise_ < 0).any():
        raise StateError("'output_noise_' of the state of TrendGP must hold p variances, or none.")
    factor = getattr(model, "variance_factor_", None)
    if not isinstance(factor, float) or not 1.0 <= factor < float("inf"):
        raise StateError("'variance_factor_' of the state of TrendGP must be a number from 1.")
    inside = (model.active_ >= 0) & (model.active_ < d)
    texts = (getattr(model, "kernel_", None), getattr(model, "trend_", None))
    if not inside.all() or not all(isinstance(text, str) for text in texts):
        raise StateError("'active_', 'kernel_' or 'trend_' of the state of TrendGP is damaged.")
    if not (
        isinstance(model.delta_, float) and model.delta_ >= 0.0 and (model.ratio_ >= 0.0).all()
    ):
        raise StateError("'delta_' and 'ratio_' of the state of TrendGP must not be negative.")
