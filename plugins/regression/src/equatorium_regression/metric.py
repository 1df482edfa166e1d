r"""In what units inputs are far apart: by their scatter, or by how much the outputs change.

Local methods are as good as their distances. The learned metric is the mean outer product of the
outputs' slopes :math:`G = \langle \nabla f\, \nabla f^T \rangle`, so that

.. math:: |x - x'|^2_G = (x - x')^T G\, (x - x')

is about the squared change of the outputs: an input that says nothing has no length, and two that
say the same count once. Slopes come from straight lines through the neighbours of each run, in the
metric found before; two rounds do.

References
----------
Trivedi S., Wang J., Kpotufe S. & Shakhnarovich G. 2014, A consistent estimator of the expected
gradient outerproduct, Uncertainty in Artificial Intelligence, arXiv:1409.2617.
"""

import numpy as np

from equatorium import errors
from equatorium_regression.neighbours import Neighbours
from equatorium_regression.smoothing import slopes

_LEAST = 1e-4  # of the largest eigenvalue of G: slopes of zero are not known to be zero
_ROWS = 2000
_NEIGHBOURS = 50


FAR = 1e100


def spread(values):
    """Return the standard deviation of each column; 1 where it does not vary.

    >>> spread(np.array([[0.0, 5.0], [2.0, 5.0]])).tolist()
    [1.0, 1.0]
    """
    most = np.abs(values).max(axis=0)
    most = np.where(most > 0, most, 1.0)
    scatter = (values / most).std(axis=0)  # squares of very large or small values are none
    return np.where(scatter > 1e-13, scatter * most, 1.0)


def coordinates(X, centre, metric):
    """Return points X (m, d) in a metric (d, r); those at infinity, nearly, are just far away."""
    far = FAR / np.maximum(np.abs(metric).max(axis=1), 1e-200)
    return np.clip(X - centre, -far, far) @ metric


def candidates(metric, X, Y):
    """Return the maps (d, r) to coordinates in which distances are to be taken, one or more.

    Parameters
    ----------
    metric : str or sequence of d numbers
        ``"standard"``, each input by its standard deviation; ``"learned"``, the learned metric and,
        in case it is no better, the standard one; or the length of each input.
    X : ndarray, shape (n, d)
    Y : ndarray, shape (n, p)

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(metric, str) and metric in ("standard", "learned"):
        standard = np.diag(1.0 / spread(X))
        few = len(X) < 4 * (X.shape[1] + 1) or X.shape[1] == 1
        return [standard] if metric == "standard" or few else [standard, _learned(X, Y, standard)]
    try:
        length = np.asarray(metric, dtype=np.float64)
        good = length.shape == (X.shape[1],) and bool((length > 0).all())
    except (TypeError, ValueError):
        good = False
    if not good or not np.isfinite(length).all():
        raise errors.InputError(
            f"metric must be 'learned', 'standard' or {X.shape[1]} positive lengths, one for each "
            f"input, but it is {metric!r:.80}."
        )
    return [np.diag(1.0 / length)]


def _learned(X, Y, standard):
    """Return the map whose distances are changes of the outputs, each in units of its spread."""
    Y = Y / spread(Y)
    rows = np.unique(np.linspace(0, len(X) - 1, _ROWS).astype(int))
    k = min(len(X) - 1, max(_NEIGHBOURS, 3 * (X.shape[1] + 1)))
    M = standard
    for _ in range(2):
        points = X @ M
        distance, index = Neighbours(points).others(rows, k)
        gradient = slopes(points[index] - points[rows, None], distance, Y[index])
        # From the coordinates' slopes to those with the standardised inputs.
        gradient = np.einsum("ab,nbp->nap", M / np.diag(standard)[:, None], gradient)
        G = np.einsum("nap,nbp->ab", gradient, gradient)
        value, vector = np.linalg.eigh(G)
        if value[-1] <= 0:
            return standard
        root = np.sqrt(np.maximum(value / value[-1], _LEAST))
        M = standard @ (vector * root)
    return M
