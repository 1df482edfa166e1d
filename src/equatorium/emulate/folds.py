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
    number = np.unique(np.asarray(group_labels(groups, n)), return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < 2:
        raise InputError(f"{why} needs at least 2 groups of runs, but there is {count}.")
    fold = np.empty(n, dtype=np.intp)
    for k, (_, held) in enumerate(GroupKFold(min(FOLDS, count)).split(number, groups=number)):
        fold[held] = k
    return fold


def group_labels(groups: Any, n: int) -> npt.NDArray[Any] | None:
    """Check the groups, one a row.

    Raises
    ------
    InputError
        If they are not as many, cannot be told apart, or some are missing.

    Examples
    --------
    >>> group_labels(["a", "b", "a"], 3).tolist()
    ['a', 'b', 'a']
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ShapeError(f"groups must name the group of each of {n} rows, not {labels.shape}.")
    try:
        np.unique(labels)
        none = np.flatnonzero(labels != labels)  # NaN, of any kind
    except TypeError as error:
        raise InputError(f"groups must be labels of one kind, such as text: {error}") from error
    if len(none):
        raise InputError(f"groups must name one for every row, but row {none[0]} has none (NaN).")
    return labels
