"""Which runs are left out together: fixed folds, so that a fit is the same every time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from equatorium.errors import InputError, ShapeError

FOLDS = 5


def deal(n: int, why: str, groups: Any = None) -> npt.NDArray[np.intp]:
    """Deal n runs to at most five folds.

    Parameters
    ----------
    n : int
    why : str
        Who needs the folds and what for, for the error.
    groups : array_like, shape (n,), optional
        Runs of one group share a fold.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of every run, 0 to 4.

    Raises
    ------
    InputError
        If there is a single run, or a single group: it cannot be left out.

    Examples
    --------
    >>> sorted(deal(7, "An example").tolist())
    [0, 0, 1, 1, 2, 3, 4]
    """
    if n < 2:
        raise InputError(f"{why} needs at least 2 runs, but n_samples={n}.")
    # Interleaving a fixed shuffle: the folds are alike, whatever order the runs came in.
    if groups is None:
        return np.random.default_rng(0).permutation(n) % min(FOLDS, n)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ShapeError(f"groups must name the group of each of {n} runs, not {labels.shape}.")
    count = len(np.unique(labels))
    if count < 2:
        raise InputError(f"{why} needs at least 2 groups of runs, but there is {count}.")
    fold = np.empty(n, dtype=np.intp)
    for k, (_, held) in enumerate(GroupKFold(min(FOLDS, count)).split(labels, groups=labels)):
        fold[held] = k
    return fold
