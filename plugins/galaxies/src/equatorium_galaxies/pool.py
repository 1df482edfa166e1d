"""Forests by seed: held in memory, else read from the cache, else grown."""

from dataclasses import asdict, fields

from equatorium_galaxies.cache import Arrays, Recent, cached
from equatorium_galaxies.cosmology import WMAP7
from equatorium_galaxies.forest import Forest, grow

__all__ = ["FOREST_VERSION", "forest_of"]

FOREST_VERSION = 1
"""Raised whenever a seed comes to mean other trees."""

_NAMES = tuple(field.name for field in fields(Forest) if field.name != "cosmology")
_RECENT = Recent(limit=512 * 2**20)


def forest_of(seed: int, *, scale: float, mass_floor: float) -> Forest:
    """Return the forest of a seed; see `grow`.

    Parameters
    ----------
    seed : int
    scale : float
    mass_floor : float
        Smallest halo mass [Msun].

    Examples
    --------
    >>> options = {"scale": 0.02, "mass_floor": 1e11}
    >>> forest_of(3, **options) is forest_of(3, **options)
    True
    """
    key = {
        "version": FOREST_VERSION,
        "seed": int(seed),
        "scale": float(scale),
        "mass_floor": float(mass_floor),
        "cosmology": asdict(WMAP7),
    }

    def build() -> Arrays:
        forest = grow(seed, scale=scale, mass_floor=mass_floor)
        return {name: getattr(forest, name) for name in _NAMES}

    forest: Forest = _RECENT.get(
        (seed, scale, mass_floor),
        lambda: Forest(cosmology=WMAP7, **cached("forest", key, build)),
        lambda made: sum(getattr(made, name).nbytes for name in _NAMES),
    )
    return forest
