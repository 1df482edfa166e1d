"""Galaxy mergers: what satellites bring to the central galaxy, and what that does to it.

References
----------
Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x.
Malbon et al. 2007, MNRAS 382, 1394, doi:10.1111/j.1365-2966.2007.12317.x (black holes).
"""

import numpy as np

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.discs import disc_radius
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.parameters import Parameters
from equatorium_galaxies.timeline import Interval

__all__ = ["merge", "remnant_radius"]

_BROUGHT = {"hot": "hot", "ejected": "ejected", "cold": "cold", "disc": "bulge"} | {
    "bulge": "bulge",
    "burst": "burst",
}
"""Where each reservoir of a satellite ends up in the central galaxy."""


def _per_mass(total: FloatArray, mass: FloatArray) -> FloatArray:
    # Nothing divided by nothing is 0; something, by a galaxy that has no baryons yet, is huge.
    return np.asarray(total / np.maximum(mass, 1e-200))


def remnant_radius(
    mass1: FloatArray, radius1: FloatArray, mass2: FloatArray, radius2: FloatArray
) -> FloatArray:
    """Half-mass radius of a merger's remnant, from the conservation of energy.

    (M1 + M2)^2 / r' = M1^2/r1 + M2^2/r2 + 2 M1 M2 / (r1 + r2): Cole et al. (2000) with
    f_orbit / c = 2.

    Parameters
    ----------
    mass1, mass2 : arrays
        Masses that go into the remnant [Msun]; nothing and nothing make a radius of 0.
    radius1, radius2 : arrays
        Half-mass radii [kpc], above 0 where there is mass.

    Examples
    --------
    >>> one = np.ones(1)
    >>> remnant_radius(one, one, one, one)
    array([1.33333333])
    """
    r1, r2 = np.where(mass1 > 0.0, radius1, 1.0), np.where(mass2 > 0.0, radius2, 1.0)
    energy = mass1**2 / r1 + mass2**2 / r2 + 2.0 * mass1 * mass2 / (r1 + r2)
    return _per_mass((mass1 + mass2) ** 2, energy)


def merge(galaxies: Galaxies, interval: Interval, parameters: Parameters) -> None:
    """Merge the satellites that have reached the centre at the end of an interval.

    Stars of the satellites join the bulge of the central galaxy, everything else the reservoir of
    its kind. With the ratio of the galaxies' baryons (satellite over central; the largest decides
    where several merge) above f_ellip, the central's disc becomes bulge too; with that or a ratio
    above f_burst, all cold gas goes to the starburst.

    Parameters
    ----------
    galaxies : Galaxies
        Changed in place; merged satellites are left empty.
    interval : Interval
    parameters : Parameters
    """
    merging = interval.merging
    if not len(merging):
        return
    centre, which = np.unique(interval.host_of(merging), return_inverse=True)
    satellite, central = galaxies.take(merging), galaxies.take(centre)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(which, weights=values, minlength=len(centre)).astype(np.float64)

    def galactic(g: Galaxies) -> FloatArray:
        return g.cold + g.stars + g.burst

    ratio = np.zeros(len(centre))
    np.maximum.at(ratio, which, _per_mass(galactic(satellite), galactic(central)[which]))
    elliptical = ratio > parameters.f_ellip
    bursting = elliptical | (ratio > parameters.f_burst)

    # The parts that make the remnant's bulge, with their sizes.
    r_disc = disc_radius(central, interval.halos.spin[centre] * interval.halos.radius[centre])
    r_disc_satellite = disc_radius(
        satellite, interval.halos.spin[merging] * interval.halos.radius[merging]
    )
    from_disc = elliptical * central.disc + bursting * central.cold
    from_disc_satellite = satellite.disc + bursting[which] * satellite.cold
    mass1 = central.spheroid + from_disc
    mass2 = total(satellite.spheroid + from_disc_satellite)
    radius1 = _per_mass(central.spheroid * central.r_bulge + from_disc * r_disc, mass1)
    radius2 = _per_mass(
        total(satellite.spheroid * satellite.r_bulge + from_disc_satellite * r_disc_satellite),
        mass2,
    )
    radius = remnant_radius(mass1, radius1, mass2, radius2)
    largest = np.maximum(0.2 * interval.halos.radius[centre], 1e-3)
    central.r_bulge = np.clip(radius, 1e-3, largest)

    for source, target in _BROUGHT.items():
        for suffix in ("", "_z"):
            row = getattr(central, target + suffix)
            row += total(getattr(satellite, source + suffix))
    central.black_hole += total(satellite.black_hole)
    central.move("disc", "bulge", elliptical.astype(float))
    central.move("cold", "burst", bursting.astype(float))
    central.spin = np.where(elliptical, 0.0, central.spin)

    galaxies.array[:, centre] = central.array
    galaxies.array[:, merging] = 0.0
