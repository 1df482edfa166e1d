"""The trees read forwards in time: who lives where, falls in and merges, between two snapshots.

All of it is fixed by the forest alone; gas, stars and black holes are left to the evolution.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from equatorium_galaxies.arrays import FloatArray, IndexArray, IntArray
from equatorium_galaxies.constants import GRAVITY
from equatorium_galaxies.forest import Forest, snapshots
from equatorium_galaxies.halo import Halos, concentration, merging_time, virial_velocity

__all__ = ["Interval", "intervals"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Interval:
    """The time between snapshot ``end + 1`` and snapshot ``end``, and the n galaxies alive in it.

    Parameters
    ----------
    end : int
        Snapshot at the end.
    start_time, end_time : float
        Cosmic times [Gyr].
    members : (n,) integer array
        Their branches: first the centrals, then the satellites.
    n_centrals : int
    accretion : (n,) array
        Rate at which unprocessed baryons arrive [Msun/Gyr]; 0 for satellites.
    halos : Halos
        Their halos, those of satellites frozen at infall.
    host : (n - n_centrals,) integer array
        Position in `members` of each satellite's central.
    infalling : (i,) integer array
        Positions in `members` of the satellites that fall in at the start.
    merging : (g,) integer array
        Positions in `members` of the satellites that reach the centre before the end.
    """

    end: int
    start_time: float
    end_time: float
    members: IntArray
    n_centrals: int
    accretion: FloatArray
    halos: Halos
    host: IndexArray
    infalling: IndexArray
    merging: IndexArray

    def host_of(self, satellites: IndexArray) -> IndexArray:
        """Positions of the centrals of the satellites at these positions."""
        return self.host[satellites - self.n_centrals]


def intervals(forest: Forest) -> Iterator[Interval]:
    """Walk a forest forwards, from z = 12 to z = 0.

    Halos are reset (V, c) by *formation events*, whenever they have doubled their mass (Cole et al.
    2000); between them V and c are kept and R = G m / V^2, with m at the geometric mid-interval. A
    satellite whose host falls into a larger halo moves there with it and keeps its merging time.

    References
    ----------
    Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x.
    """
    redshift = snapshots()
    time = forest.cosmology.age(redshift)
    size = forest.n_branches
    velocity, shape, radius, formed = np.zeros((4, size))
    merges = np.full(size, np.inf)
    central = forest.host.copy()  # where a satellite is now; its host may itself have fallen in
    this_mass, next_mass = np.zeros((2, size))
    position = np.zeros(size, np.intp)
    satellites = np.zeros(0, np.int32)
    for end in range(len(redshift) - 2, -1, -1):
        start = end + 1
        branch, mass = forest.nodes(start)
        event = mass >= 2.0 * formed[branch]
        doubled, new_mass = branch[event], mass[event]
        formed[doubled] = new_mass
        velocity[doubled] = virial_velocity(forest.cosmology, new_mass, redshift[start])
        shape[doubled] = concentration(new_mass, redshift[start])

        falls = forest.infall[branch] == start
        falling, centrals = branch[falls], branch[~falls]
        hosts = forest.host[falling]
        members, masses = forest.nodes(end)
        this_mass[branch], next_mass[members] = mass, masses
        growth = next_mass[centrals] - mass[~falls]
        radius[centrals] = np.sqrt(mass[~falls] * next_mass[centrals])
        radius[falling] = mass[falls]
        radius[branch] *= GRAVITY / velocity[branch] ** 2
        merges[falling] = time[start] + merging_time(
            forest.orbit[falling],
            radius[hosts],
            velocity[hosts],
            this_mass[hosts] / mass[falls],
        )
        moved = forest.infall[central[satellites]] == start
        central[satellites[moved]] = forest.host[central[satellites[moved]]]
        satellites = np.concatenate([satellites, falling])

        alive = np.concatenate([centrals, satellites])
        position[alive] = np.arange(len(alive))
        growth -= np.bincount(position[hosts], weights=mass[falls], minlength=len(centrals))
        step = float(time[end] - time[start])
        accretion = np.zeros(len(alive))
        accretion[: len(centrals)] = (
            forest.cosmology.baryon_fraction * np.maximum(growth, 0.0) / step
        )
        merging = merges[satellites] <= time[end]
        yield Interval(
            end=end,
            start_time=float(time[start]),
            end_time=float(time[end]),
            members=alive,
            n_centrals=len(centrals),
            accretion=accretion,
            halos=Halos(velocity[alive], radius[alive], shape[alive], forest.spin[alive]),
            host=position[central[satellites]],
            infalling=position[falling],
            merging=len(centrals) + np.flatnonzero(merging),
        )
        satellites = satellites[~merging]
