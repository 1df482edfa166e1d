"""Which runs are left out together: fixed folds, so that a fit is the same every time."""

import numpy as np
import numpy.typing as npt

from equatorium.errors import InputError

FOLDS = 5


def deal(n: int, why: str) -> npt.NDArray[np.intp]:
    """Deal n runs to at most five folds.

    Parameters
    ----------
    n : int
    why : str
        Who needs the folds and what for, for the error.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of every run, 0 to 4.

    Raises
    ------
    InputError
        If there is a single run: it cannot be left out.

    Examples
    --------
    >>> sorted(deal(7, "An example").tolist())
    [0, 0, 1, 1, 2, 3, 4]
    """
    if n < 2:
        raise InputError(f"{why} needs at least 2 runs, but n_samples={n}.")
    # Interleaving a fixed shuffle: the folds are alike, whatever order the runs came in.
    return np.random.default_rng(0).permutation(n) % min(FOLDS, n)
