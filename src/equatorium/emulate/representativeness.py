r"""Whether a training set is like the objects to predict, and which of its objects count if not.

Cross-validated scores hold for objects like those of the training set. In a neighbourhood of a
training object that reaches to its k-th neighbour, N_new objects to predict are found; its weight,

.. math:: w = \frac{N_\mathrm{new} / n_\mathrm{new}}{k / n_\mathrm{train}},

is the ratio of the two densities there (Lima et al. 2008), with which the training set has the
distribution of the objects to predict: what ANNz calls a comparable sample. Where there are no
training objects no weight can help. In a neighbourhood of an object to predict that reaches to its
k-th neighbour among those, the number of training objects is, for equal densities, negative
binomial; objects with fewer than that has with a probability of 1 % are flagged.
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
            Indices; n of them by default. Objects are repeated.
        """
        n = len(self.weights)
        count = n if size is None else size
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
        Neighbours that make a neighbourhood: more are smoother and less noisy.
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
        if not 1 <= k < len(X):
            raise InputError(
                f"k must be at least 1 and smaller than the sets, but it is {k!r} and {name} has "
                f"{len(X)} rows."
            )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, but it is {level!r}.")
    spread = train.std(axis=0)
    train, new = (X / np.where(spread > 0, spread, 1.0) for X in (train, new))
    n, m = len(train), len(new)
    weights: FloatArray = np.asarray(_neighbours(train, new, k) * (n / (k * m)), dtype=np.float64)
    if not weights.any():
        raise InputError("no object to predict is near any training object: nothing can be learned")
    found = _neighbours(new, train, k)
    # Training objects met before the k-th new one (of the m - 1 others), if densities were equal.
    unlikely = stats.nbinom.cdf(found, k, (m - 1) / (n + m - 1)) < level
    return Shift(weights / weights.mean(), np.asarray(found * (m / (k * n))), unlikely, level)


def _neighbours(own: FloatArray, other: FloatArray, k: int) -> npt.NDArray[np.intp]:
    """Count others within the distance to the k-th neighbour of one's own kind."""
    reach = KDTree(own).query(own, k + 1)[0][:, -1]  # the first is the object itself
    return np.asarray(KDTree(other).query_radius(own, reach, count_only=True))
