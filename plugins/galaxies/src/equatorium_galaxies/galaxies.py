"""What a galaxy is made of: 16 numbers, kept for all galaxies in the rows of one array."""

import numpy as np

from equatorium_galaxies.arrays import FloatArray, IndexArray, IntArray

__all__ = ["BARYONS", "RESERVOIRS", "Galaxies"]

RESERVOIRS = (
    "hot",
    "hot_z",
    "ejected",
    "ejected_z",
    "cold",
    "cold_z",
    "disc",
    "disc_z",
    "bulge",
    "bulge_z",
    "burst",
    "burst_z",
    "black_hole",
    "spin",
    "r_bulge",
    "v_disc",
)
BARYONS = ("hot", "ejected", "cold", "disc", "bulge", "burst", "black_hole")
"""The rows that add up to the baryons of a galaxy."""


class Galaxies:
    """The state of n galaxies; every attribute is a writable row of `array`.

    Parameters
    ----------
    array : (16, n) array
        Rows in the order of `RESERVOIRS`.

    Attributes
    ----------
    hot, ejected, cold, disc, bulge, burst : (n,) arrays
        Mass [Msun] of the halo's hot gas, the gas blown out of it, the cold gas of the disc, the
        stars of the disc, the stars of the bulge, the cold gas of the bulge's starburst.
    hot_z, ..., burst_z : (n,) arrays
        The metals in each of them [Msun].
    black_hole : (n,) array
        Mass of the central black hole [Msun].
    spin : (n,) array
        Specific angular momentum of the disc [kpc km/s].
    r_bulge : (n,) array
        Half-mass radius of the bulge [kpc].
    v_disc : (n,) array
        Circular velocity at the disc's half-mass radius [km/s].

    Examples
    --------
    >>> galaxies = Galaxies.empty(3)
    >>> galaxies.disc += 1e10
    >>> galaxies.stars
    array([1.e+10, 1.e+10, 1.e+10])
    """

    hot: FloatArray
    hot_z: FloatArray
    ejected: FloatArray
    ejected_z: FloatArray
    cold: FloatArray
    cold_z: FloatArray
    disc: FloatArray
    disc_z: FloatArray
    bulge: FloatArray
    bulge_z: FloatArray
    burst: FloatArray
    burst_z: FloatArray
    black_hole: FloatArray
    spin: FloatArray
    r_bulge: FloatArray
    v_disc: FloatArray

    def __init__(self, array: FloatArray) -> None:
        self.array = array
        for name, row in zip(RESERVOIRS, array, strict=True):
            object.__setattr__(self, name, row)

    def __setattr__(self, name: str, value: object) -> None:
        # ``galaxies.hot = x`` would detach the row from the array: write into it instead.
        row = self.__dict__.get(name) if name in RESERVOIRS else None
        if row is None:
            object.__setattr__(self, name, value)
        elif row is not value:  # it is after ``galaxies.hot += x``, which has been written already
            row[:] = value

    @classmethod
    def empty(cls, n: int) -> "Galaxies":
        """Galaxies with nothing in them."""
        return cls(np.zeros((len(RESERVOIRS), n)))

    def take(self, members: IndexArray | IntArray) -> "Galaxies":
        """Copy of some galaxies."""
        return Galaxies(np.take(self.array, members, axis=1))

    @property
    def stars(self) -> FloatArray:
        """Stellar mass [Msun]."""
        return self.disc + self.bulge

    @property
    def baryons(self) -> FloatArray:
        """All baryons of the galaxy and its halo [Msun]."""
        return np.asarray(sum(getattr(self, name) for name in BARYONS))

    @property
    def spheroid(self) -> FloatArray:
        """Stars and gas of the bulge [Msun]."""
        return self.bulge + self.burst

    def move(self, source: str, target: str, fraction: FloatArray) -> None:
        """Move a fraction of the mass and metals of one reservoir to another, exactly conserving.

        Parameters
        ----------
        source, target : str
            Names with a metal row.
        fraction : (n,) array in [0, 1]
        """
        for suffix in ("", "_z"):
            giver, taker = getattr(self, source + suffix), getattr(self, target + suffix)
            amount = giver * fraction
            giver -= amount
            taker += amount
