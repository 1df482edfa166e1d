"""What else the model says about its galaxies, to see whether a point of its space makes sense."""

import numpy as np

from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.constants import SOLAR_METALLICITY
from equatorium_galaxies.evolution import Catalogue
from equatorium_galaxies.forest import Forest

__all__ = ["baryon_budget", "scaling_relations", "star_formation_efficiency"]


def baryon_budget(forest: Forest, catalogue: Catalogue) -> FloatArray:
    """Baryons in all galaxies and halos of each tree, over f_b times the mass of its halos, (T,).

    It is 1 for every tree that has halos at the snapshot: nothing is lost and nothing made. Trees
    without are left out.
    """
    branch, mass = forest.nodes(catalogue.snapshot)
    halos = np.bincount(forest.tree[branch], weights=mass, minlength=forest.n_trees)
    found = np.bincount(
        forest.tree[catalogue.branch],
        weights=catalogue.galaxies.baryons,
        minlength=forest.n_trees,
    )
    there = halos > 0.0
    return np.asarray(found[there] / (forest.cosmology.baryon_fraction * halos[there]))


def scaling_relations(
    forest: Forest, catalogue: Catalogue, log_mass: FloatArray
) -> dict[str, FloatArray]:
    """Properties of galaxies around given stellar masses.

    Parameters
    ----------
    forest : Forest
    catalogue : Catalogue
    log_mass : (k,) array
        Centres log10(M_*/Msun) of bins of 0.5 dex.

    Returns
    -------
    dict of (k,) arrays
        Density-weighted fractions ``satellite`` and ``bulge_dominated`` (M_bulge > M_* / 2), and
        medians of ``gas`` (M_cold / M_*), ``metallicity`` (of the stars, solar units) and
        ``black_hole`` (M_BH / M_bulge, of galaxies with a bulge). NaN where there are no galaxies.
    """
    g = catalogue.galaxies
    stars, weight = g.stars, forest.weight[forest.tree[catalogue.branch]]
    satellite = forest.infall[catalogue.branch] > catalogue.snapshot
    relations = {
        name: np.full(len(log_mass), np.nan)
        for name in ("satellite", "bulge_dominated", "gas", "metallicity", "black_hole")
    }
    for i, centre in enumerate(log_mass):
        there = np.abs(np.log10(np.maximum(stars, 1.0)) - centre) < 0.25
        if not there.any():
            continue
        w, m, bulge = weight[there], stars[there], g.bulge[there]
        relations["satellite"][i] = w @ satellite[there] / w.sum()
        relations["bulge_dominated"][i] = w @ (bulge > 0.5 * m) / w.sum()
        relations["gas"][i] = np.median(g.cold[there] / m)
        metals = (g.disc_z + g.bulge_z)[there] / m
        relations["metallicity"][i] = np.median(metals) / SOLAR_METALLICITY
        if (bulge > 0.0).any():
            ratio = g.black_hole[there][bulge > 0.0] / bulge[bulge > 0.0]
            relations["black_hole"][i] = np.median(ratio)
    return relations


def star_formation_efficiency(
    forest: Forest, catalogue: Catalogue, log_halo_mass: FloatArray
) -> FloatArray:
    """Median M_* / (f_b M_h) of centrals around given halo masses log10(M_h/Msun), 0.4 dex bins."""
    branch, mass = forest.nodes(catalogue.snapshot)
    halo = np.zeros(forest.n_branches)
    halo[branch] = mass
    halo = halo[catalogue.branch[: catalogue.n_centrals]]
    ratio = catalogue.galaxies.stars[: catalogue.n_centrals] / halo
    near = [np.abs(np.log10(halo) - centre) < 0.2 for centre in log_halo_mass]
    found = [float(np.median(ratio[n])) if n.any() else np.nan for n in near]
    return np.array(found) / forest.cosmology.baryon_fraction
