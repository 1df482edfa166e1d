"""How good an embedding is: what became of neighbours, of labels, of pixels that were hidden."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.manifold import trustworthiness as _trustworthiness
from sklearn.neighbors import NearestNeighbors

from equatorium.checks import FloatArray, Rng, floats, generator, matrix, same_length
from equatorium.errors import InputError

_MOST = 2000  # rows that are compared pair by pair
_WIDEST = 0.9  # Facco et al. leave out the tenth of largest ratios, where density is felt


def trustworthiness(X: Any, Z: Any, n_neighbors: int = 5) -> float:
    """Say how far neighbours in the embedding are neighbours in the data: 1 if all are.

    Parameters
    ----------
    X : array_like, shape (n, p)
        The rows; of more than 2000, that many evenly spaced ones are taken.
    Z : array_like, shape (n, k)
        Their coordinates.
    n_neighbors : int

    References
    ----------
    Venna J. & Kaski S. 2001, doi:10.1007/3-540-44668-0_68

    Examples
    --------
    >>> X = np.random.default_rng(1).normal(size=(30, 2))
    >>> float(trustworthiness(X, 3 * X))
    1.0
    """
    X, Z = _pairs(X, Z)
    return float(_trustworthiness(X, Z, n_neighbors=_count(n_neighbors, len(X))))


def continuity(X: Any, Z: Any, n_neighbors: int = 5) -> float:
    """Say how far neighbours in the data are neighbours in the embedding; see `trustworthiness`."""
    return trustworthiness(Z, X, n_neighbors)


def neighbourhood_hit(Z: Any, labels: Any, n_neighbors: int = 5) -> float:
    """Return the share of every row's neighbours that have its label, over all rows.

    Parameters
    ----------
    Z : array_like, shape (n, k)
    labels : array_like, shape (n,)
    n_neighbors : int

    References
    ----------
    Paulovich F. V. et al. 2008, doi:10.1109/TVCG.2007.70443
    """
    Z, labels = matrix(Z, "Z"), np.asarray(labels)
    same_length(Z=Z, labels=labels)
    count = _count(n_neighbors, len(Z))
    near = NearestNeighbors(n_neighbors=count).fit(Z).kneighbors(return_distance=False)
    return float(np.mean(labels[near] == labels[:, None]))


def intrinsic_dimension(X: Any) -> float:
    r"""Estimate of how many coordinates the rows need locally, by TwoNN.

    The ratio :math:`\mu` of the distances to the second and the first neighbour has the
    distribution :math:`1 - \mu^{-d}`, whatever the density; d is the slope through zero of
    :math:`-\log(1 - F(\mu))` against :math:`\log \mu`. Its standard error is about d / sqrt(n).

    Parameters
    ----------
    X : array_like, shape (n, p)
        Rows that occur twice are taken once.

    References
    ----------
    Facco E. et al. 2017, doi:10.1038/s41598-017-11873-y

    Examples
    --------
    >>> bool(1.8 < intrinsic_dimension(np.random.default_rng(1).random((900, 2))) < 2.2)
    True
    """
    X = np.unique(matrix(X, "X"), axis=0)
    if len(X) < 10:
        raise InputError(f"The dimension needs 10 different rows, but there are {len(X)}.")
    distance = NearestNeighbors(n_neighbors=2).fit(X).kneighbors()[0]
    good = distance[:, 0] > 0
    mu = np.sort(np.log(distance[good, 1] / distance[good, 0]))
    tail = -np.log1p(-np.arange(len(mu)) / len(mu))
    keep = slice(0, int(_WIDEST * len(mu)))
    return float((tail[keep] * mu[keep]).sum() / np.maximum((mu[keep] ** 2).sum(), 1e-300))


def hidden_chi2(
    embedder: Any, X: Any, ivar: Any = None, *, share: float = 0.1, rng: Rng = 0
) -> float:
    """Hide some pixels, and return the mean chi-squared of what the embedder says of them.

    Pixels are hidden in `fit` and `transform` both; 1 is perfection where ivar is true.

    Parameters
    ----------
    embedder : Embedder
        With the capabilities ``missing`` and ``inverse``; cloned, not fitted.
    X : array_like, shape (n, p)
    ivar : array_like, shape (n, p), optional
        Without, the mean squared error in units of the pixels' variance.
    share : float
        Of the observed pixels, drawn at random.
    rng : int, Generator or None
    """
    X, weight = floats(X, "X"), None if ivar is None else floats(ivar, "ivar")
    if not {"missing", "inverse"} <= set(embedder.capabilities_):
        raise InputError(f"{type(embedder).__name__} cannot leave pixels out; take e.g. 'hmf'.")
    seen = np.isfinite(X) if weight is None else weight > 0
    hidden = seen & (generator(rng).random(X.shape) < share)
    if not hidden.any():
        raise InputError(f"share={share!r} of {seen.sum()} observed pixels hides none of them.")
    shown = np.where(hidden, np.nan, X)
    left = None if weight is None else np.where(hidden, 0.0, weight)
    model = clone(embedder).fit(shown, ivar=left)
    error = (model.inverse_transform(model.transform(shown, ivar=left)) - X)[hidden]
    scale = 1.0 / np.nanvar(X) if weight is None else weight[hidden]
    return float(np.mean(error**2 * scale))


def _pairs(X: Any, Z: Any) -> tuple[FloatArray, FloatArray]:
    X, Z = matrix(X, "X"), matrix(Z, "Z")
    step = -(-same_length(X=X, Z=Z) // _MOST)
    return X[::step], Z[::step]


def _count(n_neighbors: int, n: int) -> int:
    if not isinstance(n_neighbors, int | np.integer) or not 1 <= n_neighbors < n / 2:
        raise InputError(f"n_neighbors must be from 1 to below half of {n} rows: {n_neighbors!r}.")
    return int(n_neighbors)
