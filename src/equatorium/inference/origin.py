"""Where draws come from: what somebody needs to make them again."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from equatorium import registry
from equatorium.errors import NotSavableError
from equatorium.inference.joint import JointLikelihood

_LIBRARIES = ("equatorium", "numpy", "scipy")


def seed_of(rng: np.random.Generator) -> dict[str, Any]:
    """Give the seed of a generator, so that an unused one can be made again.

    ``numpy.random.default_rng(SeedSequence(**seed_of(rng)))`` is as `rng` was when it was new.

    >>> seed_of(np.random.default_rng(3))
    {'entropy': 3, 'spawn_key': []}
    """
    sequence = rng.bit_generator.seed_seq
    if not isinstance(sequence, np.random.SeedSequence):
        return {}
    entropy = sequence.entropy
    known = entropy if isinstance(entropy, int | None) else [int(word) for word in entropy]
    return {"entropy": known, "spawn_key": [int(word) for word in sequence.spawn_key]}


def provenance(sampler: Any, posterior: Any, seed: Mapping[str, Any]) -> dict[str, Any]:
    """Tell sampler, seed, posterior, emulator and versions, as JSON values for `Draws.meta`.

    The time is that of the file, which is written when the draws are.
    """
    return {
        "sampler": _written(sampler),
        "seed": dict(seed),
        "posterior": {"identity": posterior.identity, "parameters": list(posterior.names)},
        "likelihood": type(posterior.likelihood).__name__,
        "emulator": _emulator(posterior.likelihood),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
    }


def _emulator(likelihood: Any) -> Any:
    """Write the emulator down; of a joint likelihood that of each part, by name."""
    if isinstance(likelihood, JointLikelihood):
        return {name: _emulator(part) for name, part in likelihood.parts.items()}
    # A likelihood may have no model at all, or one that is called itself.
    emulator = getattr(getattr(likelihood, "surrogate", None), "emulator", None)
    return None if emulator is None else _written(emulator)


def _written(method: Any) -> dict[str, Any]:
    """Write a method down; one that no file could name, by its class."""
    entry = registry.entry_of(type(method))
    if entry is not None:
        try:
            return {**registry.to_spec(method), "version": entry.version}
        except NotSavableError:
            pass
    return {"class": type(method).__name__}
