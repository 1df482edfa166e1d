"""Figures of a study: each function takes records and returns a matplotlib Figure to save or show.

matplotlib is imported when the first figure is drawn, never before, and no window is opened.
"""

import importlib
from typing import Any

_HOMES = {
    "equatorium.plots.budget": ("error_shares",),
    "equatorium.plots.calibrated": ("expected_coverage", "rank_differences"),
    "equatorium.plots.compared": ("compared_methods", "learning_curves"),
    "equatorium.plots.embedding": ("embedding_map", "compared_embeddings"),
    "equatorium.plots.emulation": ("emulated_vs_simulated",),
    "equatorium.plots.goodness": ("chi_squared",),
    "equatorium.plots.influence": ("left_out_data",),
    "equatorium.plots.lattice": ("implausibility_map",),
    "equatorium.plots.marginals": ("corner", "trace"),
    "equatorium.plots.networks": ("training_curves", "attack_curves", "saliency_map"),
    "equatorium.plots.predictive": ("predictive_functions", "predicted_data"),
    "equatorium.plots.reliability": ("coverage",),
    "equatorium.plots.shifts": ("posterior_shifts",),
    "equatorium.plots.shrinkage": ("volumes",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a figure's function from its home on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'equatorium.plots' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
