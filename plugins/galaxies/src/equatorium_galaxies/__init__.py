"""The 20-parameter galaxy-formation model and the observed stellar mass functions.

The public names load on first use, so that ``import equatorium_galaxies`` stays light.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "GalaxyFormation": "simulator",
    "Parameters": "parameters",
    "parameter_space": "parameters",
    "forest_of": "pool",
    "run": "outputs",
    "stellar_mass_functions": "observations",
    "stellar_mass_functions_path": "observations",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
