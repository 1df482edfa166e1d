"""Merger trees: everything about the dark matter that does not depend on the 20 parameters.

A forest is a sample of halos at z = 0 with their assembly histories. A *node* is a halo at a
snapshot; a *branch* is the chain of main progenitors that one galaxy lives in, from the leaf in
which it is born to the snapshot before it falls into a larger halo. Because the same forest serves
all parameter values, a run is a deterministic and smooth function of them.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from equatorium_galaxies.arrays import FloatArray, IndexArray, IntArray
from equatorium_galaxies.cosmology import WMAP7, Cosmology
from equatorium_galaxies.massfunction import MassVariance, mass_variance, sheth_tormen
from equatorium_galaxies.progenitors import step_back

__all__ = ["OUTPUT_SNAPSHOTS", "Forest", "grow", "sample_roots", "snapshots"]

OUTPUT_REDSHIFTS = (0.0, 0.5, 1.0, 1.5)
OUTPUT_SNAPSHOTS = (0, 8, 14, 19)
_PIECES = ((0.0, 0.5, 8), (0.5, 1.0, 6), (1.0, 1.5, 5), (1.5, 12.0, 34))
_STRATUM = 0.2  # dex of root mass
_ROOT_RANGE = (10.4, 15.0)  # log10 Msun
_LARGEST_STEP = 0.05  # in w
_RELATIVE_RESOLUTION = 2e-4  # of the root's mass


def snapshots() -> FloatArray:
    """Redshifts of the 54 snapshots, from 0 to 12, equal in ln(1 + z) between the outputs.

    Examples
    --------
    >>> snapshots()[list(OUTPUT_SNAPSHOTS)]
    array([0. , 0.5, 1. , 1.5])
    """
    pieces = [
        (1.0 + low) * ((1.0 + high) / (1.0 + low)) ** (np.arange(n) / n) - 1.0
        for low, high, n in _PIECES
    ]
    return np.concatenate([*pieces, [_PIECES[-1][1]]])


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Merger trees of T root halos with B branches and N nodes.

    Parameters
    ----------
    root_mass, weight : (T,) arrays
        Mass of the halo at z = 0 [Msun], and the number density that it stands for [1/Mpc^3].
    stratum : (T,) integer array
        Mass stratum from which the root was drawn.
    tree : (B,) integer array
        Tree to which a branch belongs.
    host : (B,) integer array
        Branch into which a branch falls; -1 for the main branch of a tree.
    birth, infall : (B,) integer arrays
        Snapshots of its first and last node (snapshot 0 is z = 0: time runs downwards).
    leaf_mass : (B,) array
        Mass of its first node [Msun].
    spin : (B,) array
        Spin parameter lambda.
    orbit : (B,) array
        Orbital parameter Theta_orb of the dynamical-friction time.
    offset : (55,) integer array
        Nodes of snapshot k are ``offset[k]:offset[k + 1]``.
    node_branch, node_mass : (N,) arrays
        Branch and mass [Msun] of each node.
    """

    root_mass: FloatArray
    weight: FloatArray
    stratum: IntArray
    tree: IntArray
    host: IntArray
    birth: IntArray
    infall: IntArray
    leaf_mass: FloatArray
    spin: FloatArray
    orbit: FloatArray
    offset: IntArray
    node_branch: IntArray
    node_mass: FloatArray
    cosmology: Cosmology = WMAP7

    @property
    def n_trees(self) -> int:
        """Number of root halos, T."""
        return len(self.root_mass)

    @property
    def n_branches(self) -> int:
        """Number of galaxies ever born, B."""
        return len(self.tree)

    def nodes(self, snapshot: int) -> tuple[IntArray, FloatArray]:
        """Branches and masses [Msun] of the halos of a snapshot."""
        part = slice(self.offset[snapshot], self.offset[snapshot + 1])
        return self.node_branch[part], self.node_mass[part]


def sample_roots(
    scale: float, cosmology: Cosmology, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Stratified sample of the halo mass function at z = 0.

    Each stratum of 0.2 dex in 10.4 <= log10 M < 15 holds n_h = max(2, scale * n_0) roots, one at a
    random place in each n_h-th part of it; each stands for w = dn/dlog10M * 0.2 / n_h.

    Parameters
    ----------
    scale : float
        The resolution knob S.
    cosmology : Cosmology
    rng : Generator

    Returns
    -------
    mass, weight, stratum : (T,) arrays
        Root masses [Msun], number densities [1/Mpc^3], index of the stratum.
    """
    low, high = _ROOT_RANGE
    edges = low + _STRATUM * np.arange(round((high - low) / _STRATUM))
    per_stratum = np.interp(
        edges + _STRATUM / 2, [10.4, 11, 12, 13, 14, 15], [40, 80, 80, 40, 15, 6]
    )
    number = np.maximum(2, np.rint(scale * per_stratum).astype(int))
    stratum = np.repeat(np.arange(len(edges)), number)
    place = np.concatenate([np.arange(n) for n in number])
    width = _STRATUM / number[stratum]
    mass = 10.0 ** (edges[stratum] + (place + rng.random(len(stratum))) * width)
    weight = sheth_tormen(cosmology, mass) * width
    return mass, weight, stratum.astype(np.int32)


def grow(
    seed: int,
    *,
    scale: float = 0.2,
    mass_floor: float = 1e10,
    cosmology: Cosmology = WMAP7,
    largest_step: float = _LARGEST_STEP,
) -> Forest:
    """Draw a forest: the same seed and options give the same trees, bit for bit.

    Parameters
    ----------
    seed : int
    scale : float
        Number of trees, relative to 1070 (0.2: 18 000 branches).
    mass_floor : float
        Smallest progenitor mass that is followed [Msun]; in a tree of root mass M the larger of
        this and 2e-4 M.
    cosmology : Cosmology
    largest_step : float
        Largest step in w = 1.686 / D(z) of the tree algorithm.

    References
    ----------
    Lacey & Cole 1993, MNRAS 262, 627, doi:10.1093/mnras/262.3.627 (distribution of Theta_orb, as
    used by Cole et al. 2000, MNRAS 319, 168, doi:10.1046/j.1365-8711.2000.03879.x).

    Examples
    --------
    >>> forest = grow(1, scale=0.02, mass_floor=1e11)
    >>> branch, mass = forest.nodes(14)  # the halos at z = 1
    >>> bool(np.all(mass >= 1e11)), bool(np.all(forest.tree[branch] < forest.n_trees))
    (True, True)
    """
    rng = np.random.default_rng(seed)
    root_mass, weight, stratum = sample_roots(scale, cosmology, rng)
    resolution = np.maximum(mass_floor, _RELATIVE_RESOLUTION * root_mass)
    thresholds = cosmology.threshold(snapshots())

    roots = np.arange(len(root_mass))
    node_branch, node_mass = [roots], [root_mass]
    tree, host, infall = roots, np.full(len(roots), -1), np.zeros(len(roots), int)
    for k in range(1, len(thresholds)):
        above = node_branch[-1]
        mass, descendant = _progenitors(
            node_mass[-1],
            resolution[tree[above]],
            _equal_steps(thresholds[k - 1], thresholds[k], largest_step),
            mass_variance(cosmology),
            rng,
        )
        # The most massive progenitor continues its descendant's branch, the others open new ones.
        branch = above[descendant]
        opens = np.zeros(len(branch), bool)
        opens[1:] = descendant[1:] == descendant[:-1]
        falls_into = branch[opens]
        branch[opens] = len(tree) + np.arange(len(falls_into))
        tree = np.concatenate([tree, tree[falls_into]])
        host = np.concatenate([host, falls_into])
        infall = np.concatenate([infall, np.full(len(falls_into), k)])
        node_branch.append(branch)
        node_mass.append(mass)

    birth, leaf_mass = np.empty(len(tree), np.int32), np.empty(len(tree))
    for k, (members, masses) in enumerate(zip(node_branch, node_mass, strict=True)):
        birth[members], leaf_mass[members] = k, masses
    return Forest(
        root_mass=root_mass,
        weight=weight,
        stratum=stratum,
        tree=tree.astype(np.int32),
        host=host.astype(np.int32),
        birth=birth,
        infall=infall.astype(np.int32),
        leaf_mass=leaf_mass,
        spin=np.clip(0.039 * np.exp(0.53 * rng.standard_normal(len(tree))), 0.005, 0.2),
        orbit=np.clip(10.0 ** (-0.14 + 0.26 * rng.standard_normal(len(tree))), 0.05, 4.0),
        offset=np.cumsum([0, *map(len, node_mass)]).astype(np.int32),
        node_branch=np.concatenate(node_branch).astype(np.int32),
        node_mass=np.concatenate(node_mass),
        cosmology=cosmology,
    )


def _equal_steps(start: float, end: float, largest: float) -> FloatArray:
    return np.linspace(start, end, 1 + math.ceil((end - start) / largest))


def _progenitors(
    mass: FloatArray,
    resolution: FloatArray,
    thresholds: FloatArray,
    variance: MassVariance,
    rng: np.random.Generator,
) -> tuple[FloatArray, IndexArray]:
    """All progenitors a snapshot earlier, by equal steps in w.

    Returns
    -------
    mass : (n',) array
        Progenitor masses [Msun], those below the resolution dropped.
    descendant : (n',) integer array
        Index of the halo each belongs to, ascending, and the most massive of each first.
    """
    floor, descendant = resolution, np.arange(len(mass))
    for w, next_w in itertools.pairwise(thresholds):
        main, parent, fragment = step_back(mass, w, next_w - w, floor, variance, rng)
        mass = np.concatenate([main, fragment])
        floor = np.concatenate([floor, floor[parent]])
        descendant = np.concatenate([descendant, descendant[parent]])
        resolved = mass >= floor
        mass, floor, descendant = mass[resolved], floor[resolved], descendant[resolved]
    order = np.lexsort((-mass, descendant))
    return mass[order], descendant[order]
