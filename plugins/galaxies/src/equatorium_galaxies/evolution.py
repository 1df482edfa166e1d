"""The evolution of all galaxies of a forest, for one set of the 20 parameters.

Vectorised over galaxies, looped over intervals and sub-steps. Every sub-step is the closed-form
solution of its process, so that it conserves mass and is stable for any length and parameters.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from equatorium_galaxies import cooling, discs, feedback, starformation
from equatorium_galaxies.arrays import FloatArray, IntArray
from equatorium_galaxies.forest import OUTPUT_SNAPSHOTS, Forest, snapshots
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import Halos, virial_velocity
from equatorium_galaxies.mergers import merge
from equatorium_galaxies.parameters import Parameters
from equatorium_galaxies.stripping import strip
from equatorium_galaxies.timeline import Interval, intervals

__all__ = ["Catalogue", "evolve", "substep"]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The galaxies of a snapshot.

    Parameters
    ----------
    snapshot : int
    branch : (n,) integer array
        Branch of the forest that each lived in; first the centrals, then the satellites, then those
        just born.
    n_centrals : int
    galaxies : Galaxies
    """

    snapshot: int
    branch: IntArray
    n_centrals: int
    galaxies: Galaxies

    @property
    def redshift(self) -> float:
        """Redshift of the snapshot."""
        return float(snapshots()[self.snapshot])


def substep(
    galaxies: Galaxies,
    interval: Interval,
    atmosphere: cooling.Atmosphere,
    loadings: tuple[FloatArray, FloatArray],
    parameters: Parameters,
    redshift: float,
    step: float,
) -> None:
    """Evolve the galaxies of an interval by a sub-step of `step` Gyr, in place.

    Parameters
    ----------
    galaxies : Galaxies
    interval : Interval
    atmosphere : Atmosphere
        Cooling properties of the halos.
    loadings : pair of (n,) arrays
        Mass loading of outflows in discs and in bursts.
    parameters : Parameters
    redshift, step : float
    """
    g, halos, p = galaxies, interval.halos, parameters
    in_disc, in_burst = loadings

    g.hot += interval.accretion * step
    g.move("ejected", "hot", feedback.returned_fraction(p.alpha_reheat, halos.dynamical_time, step))
    inflow, inflow_z = cooling.cool(g, halos, atmosphere, p, redshift, step)

    r50 = discs.settle(g, halos, inflow)
    fraction = starformation.molecular_fraction(g.cold, g.disc, r50, p.P_sf, p.beta_sf)
    disc = feedback.consume(
        g.cold, g.cold_z, inflow, inflow_z, p.nu0_sf * fraction, in_disc, p.p_yield, step
    )
    g.cold, g.cold_z = disc.gas, disc.gas_z
    g.disc += feedback.LOCKED * disc.formed
    locked_z = feedback.LOCKED / (feedback.LOCKED + in_disc) * disc.removed_z
    g.disc_z += locked_z
    ejected, ejected_z = in_disc * disc.formed, disc.removed_z - locked_z
    _burst(g, halos, in_burst, p, step, ejected, ejected_z)

    _eject(g.ejected, ejected, interval, p.eps_strip)
    _eject(g.ejected_z, ejected_z, interval, p.eps_strip)
    discs.destabilise(g, halos, r50, p.f_stab)


def _burst(
    galaxies: Galaxies,
    halos: Halos,
    outflow: FloatArray,
    parameters: Parameters,
    step: float,
    ejected: FloatArray,
    ejected_z: FloatArray,
) -> None:
    """Form stars in the bulges that have gas (one in seven), and add to `ejected` in place."""
    p = parameters
    active = np.flatnonzero(galaxies.burst)
    g, beta = galaxies.take(active), outflow[active]
    rate = starformation.burst_rate(g, halos.take(active), p)
    burst = feedback.consume(g.burst, g.burst_z, 0.0, 0.0, rate, beta, p.p_yield, step)
    share_z = burst.removed_z / (feedback.LOCKED + beta)
    g.burst, g.burst_z = burst.gas, burst.gas_z
    # The black hole's share is taken from the stars of the burst, so that no baryons are made.
    g.bulge += (feedback.LOCKED - p.f_smbh) * burst.formed
    g.bulge_z += (feedback.LOCKED - p.f_smbh) * share_z
    g.black_hole += p.f_smbh * burst.formed
    ejected[active] += beta * burst.formed
    ejected_z[active] += beta * share_z
    galaxies.array[:, active] = g.array


def _eject(row: FloatArray, amount: FloatArray, interval: Interval, eps_strip: float) -> None:
    """Add outflows to the ejected gas; hosts take the fraction eps_strip of their satellites'."""
    n = interval.n_centrals
    taken = eps_strip * amount[n:]
    row += amount
    row[n:] -= taken
    row[:n] += np.bincount(interval.host, weights=taken, minlength=n)


def evolve(
    forest: Forest,
    parameters: Parameters,
    *,
    substeps: int = 2,
    outputs: Collection[int] = OUTPUT_SNAPSHOTS,
) -> dict[int, Catalogue]:
    """Form the galaxies of a forest.

    Parameters
    ----------
    forest : Forest
    parameters : Parameters
    substeps : int
        Sub-steps in each of the 53 intervals between snapshots.
    outputs : collection of int
        Snapshots at which the galaxies are wanted.

    Returns
    -------
    dict
        A `Catalogue` for each of `outputs`.

    Examples
    --------
    >>> from equatorium_galaxies.forest import grow
    >>> catalogue = evolve(grow(1, scale=0.02, mass_floor=1e11), Parameters(), outputs=[0])[0]
    >>> bool(np.all(catalogue.galaxies.array >= 0))
    True
    """
    p = parameters
    redshift = snapshots()
    state = Galaxies.empty(forest.n_branches)
    # A branch is born with its share of baryons; until then its column rests untouched.
    state.hot = forest.cosmology.baryon_fraction * forest.leaf_mass
    state.v_disc = virial_velocity(forest.cosmology, forest.leaf_mass, redshift[forest.birth])

    found = {}
    for interval in intervals(forest):
        galaxies = state.take(interval.members)
        strip(galaxies, interval, forest.orbit[interval.members[interval.infalling]], p.alpha_rp)
        atmosphere = cooling.atmosphere(interval.halos)
        shape = feedback.loading(1.0, p.alpha_hot, interval.halos.supernova_velocity)
        loadings = p.beta0_disc * shape, p.beta0_burst * shape
        step = (interval.end_time - interval.start_time) / substeps
        for i in range(substeps):
            z = float(forest.cosmology.redshift(interval.start_time + (i + 0.5) * step))
            substep(galaxies, interval, atmosphere, loadings, p, z, step)
        merge(galaxies, interval, p)
        state.array[:, interval.members] = galaxies.array
        if interval.end in outputs:
            found[interval.end] = _catalogue(forest, state, interval)
    return found


def _catalogue(forest: Forest, state: Galaxies, interval: Interval) -> Catalogue:
    alive = np.ones(len(interval.members), bool)
    alive[interval.merging] = False
    halos, _ = forest.nodes(interval.end)
    born = halos[forest.birth[halos] == interval.end]
    branch = np.concatenate([interval.members[alive], born])
    return Catalogue(interval.end, branch, interval.n_centrals, state.take(branch))
