r"""Whether a training set is like the objects to predict, and which of its objects count if not.

Cross-validated scores hold for objects like those of the training set. In a neighbourhood of a
training object that reaches to its k-th neighbour, N_new objects to predict are found; its weight,

.. math:: w = \frac{N_\mathrm{new} / n_\mathrm{new}}{k / n_\mathrm{train}},

is the ratio of the two densities there (Lima et al. 2008), with which the training set has the
distribution of the objects to predict: what ANNz calls a comparable sample. Where there are no
training objects no weight can help. In a neighbourhood of an object to predict that reaches to its
k-th neighbour among those, the number of training objects is, for equal densities, negative
binomial; objects with fewer than that has with a probability of 1 % are flagged. If there are more
objects to predict than to learn from, neighbours are sought among as many of them, drawn at random:
among all of them the k-th would be too near for a training object to be expected at all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.neighbors import KDTree

from equatorium.checks import FloatArray, Rng, generator, matrix, read_only
from equatorium.errors import InputError
from equatorium.records.base import Record


@dataclass(frozen=True, eq=False)
class Shift(Record):
    """How two sets of objects differ.

    Parameters
    ----------
    weights : array_like, shape (n,)
        Of the training objects; their mean is 1.
    density : array_like, shape (m,)
        Training density over that of the objects to predict, at those.
    flagged : array_like of bool, shape (m,)
        Objects to predict with too few training objects near.
    level : float
        Share that would be flagged if the sets were alike.
    """

    weights: FloatArray
    density: FloatArray
    flagged: npt.NDArray[np.bool_]
    level: float = 0.01

    def __post_init__(self) -> None:
        flagged = np.array(self.flagged, dtype=bool)
        flagged.setflags(write=False)
        object.__setattr__(self, "flagged", flagged)
        for name in ("weights", "density"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def fraction(self) -> float:
        """Share of the objects to predict that is flagged; `level` if nothing has shifted."""
        return float(self.flagged.mean())

    @property
    def effective_n(self) -> float:
        """Training objects that the weighted set is worth, (sum w)^2 / sum w^2 (Kish)."""
        return float(self.weights.sum() ** 2 / np.sum(self.weights**2))

    def resample(self, rng: Rng = None, size: int | None = None) -> npt.NDArray[np.intp]:
        """Draw training objects by their weights, so that any method can learn from them.

        Returns
        -------
        ndarray of int, shape (size,)
            Indices; n of them by default. Objects are repeated: split the objects before they are
            drawn, or copies are on both sides of a fold, those within `Conformal` too.
        """
        n = len(self.weights)
        count = n if size is None else size
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise InputError(f"size must be a whole number, at least 1, but it is {size!r:.80}.")
        return generator(rng).choice(n, count, p=self.weights / self.weights.sum())

    def summary(self) -> str:
        """Say what was found in two lines."""
        return (
            f"{100 * self.fraction:.1f} % of {len(self.flagged)} objects have too few training "
            f"objects near ({100 * self.level:g} % if nothing had shifted).\n"
            f"Weighted, the {len(self.weights)} training objects are worth {self.effective_n:.0f}."
        )


def covariate_shift(X_train: Any, X_new: Any, k: int = 20, level: float = 0.01) -> Shift:
    """Compare the inputs of a training set with those of the objects to predict.

    Parameters
    ----------
    X_train : array_like, shape (n, d)
    X_new : array_like, shape (m, d)
        Give what objects were selected by too, though the method may not use it. Columns are
        scaled to the training set's standard deviations.
    k : int
        Neighbours that make a neighbourhood: more are smoother and less noisy. With fewer than 7
        nothing may be improbable enough to be flagged.
    level : float
        Share that is flagged if nothing has shifted.

    Returns
    -------
    Shift

    Raises
    ------
    InputError
        If a set has no more than k objects, or the two have nothing in common.

    References
    ----------
    Lima M. et al. 2008, MNRAS 390, 118, doi:10.1111/j.1365-2966.2008.13510.x

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> same = covariate_shift(rng.normal(size=(500, 2)), rng.normal(size=(500, 2)))
    >>> moved = covariate_shift(rng.normal(size=(500, 2)), rng.normal(1, 1, size=(500, 2)))
    >>> bool(same.fraction < 0.03), bool(moved.fraction > 0.2)
    (True, True)
    """
    train = matrix(X_train, "X_train")
    new = matrix(X_new, "X_new", train.shape[1])
    for name, X in (("X_train", train), ("X_new", new)):
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k < len(X):
            raise InputError(
                f"k must be a whole number, at least 1 and smaller than the sets, but it is {k!r} "
                f"and {name} has {len(X)} rows."
            )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, but it is {level!r}.")
    spread = train.std(axis=0)
    train, new = (X / np.where(spread > 0, spread, 1.0) for X in (train, new))
    n, m = len(train), len(new)
    near = _neighbours(train, train, np.arange(n), new, k)
    weights: FloatArray = np.asarray(near * (n / (k * m)), dtype=np.float64)
    if not weights.any():
        raise InputError("no object to predict is near any training object: nothing can be learned")
    # The same ones every time, in whatever order the objects came.
    some = np.random.default_rng(0).permutation(m)[: min(n, m)]
    found = _neighbours(new, new[some], some, train, k)
    # Training objects met before the k-th new one (of those but itself), if densities were equal.
    others = len(some) - np.isin(np.arange(m), some)
    unlikely = stats.nbinom.cdf(found, k, others / (n + others)) < level
    density = np.asarray(found * (len(some) / (k * n)))
    return Shift(weights / weights.mean(), density, unlikely, level)


def _neighbours(
    at: FloatArray, own: FloatArray, place: npt.NDArray[np.intp], other: FloatArray, k: int
) -> npt.NDArray[np.intp]:
    """Count others within the distance to the k-th neighbour of one's own kind.

    Those of its own kind are ``at[place]``, among which is the object itself or not.
    """
    distance = KDTree(own).query(at, k + 1)[0]
    reach = distance[:, k - 1]
    reach[place] = distance[place, k]  # the first is the object itself
    return np.asarray(KDTree(other).query_radius(at, reach, count_only=True))
