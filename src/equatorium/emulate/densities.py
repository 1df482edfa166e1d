r"""Predicted densities on a grid: photo-z PDFs for other codes, N(z), and its loss.

In bins of width :math:`\Delta`, with the probabilities :math:`P_b` from the exact cdf, the density
is :math:`P_b / \Delta_b`. The conditional density estimation loss (Izbicki & Lee 2017),

.. math:: L = \Big\langle \int f(z | x)^2\,dz \Big\rangle - 2\, \big\langle f(z_\mathrm{true} | x)
    \big\rangle,

is, up to a constant, the mean integrated squared error of f; less is better. Of a stack
:math:`N(z) = \langle f(z | x) \rangle` that all objects share, it is the loss of that one density.
"""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, finite, floats, vector
from equatorium.errors import InputError, PluginLoadError, ShapeError
from equatorium.records.prediction import Categorical, Gaussian, Mixture, Prediction

_FEW = 100  # Gaussians that one object's density may be handed on as


def binned_density(prediction: Prediction, edges: Any, output: int = 0) -> FloatArray:
    """Mean density of every object in bins.

    Parameters
    ----------
    prediction : Prediction
    edges : array_like, shape (b + 1,)
        Increasing.
    output : int
        The output that is asked for.

    Returns
    -------
    ndarray, shape (m, b)
        Probability per unit; what lies beyond the edges is missing. A value at an edge belongs to
        the bin below it.

    Examples
    --------
    >>> from equatorium.records.covariance import Diagonal
    >>> binned_density(Gaussian([[0.0]], Diagonal([[1.0]])), [-1, 0, 1]).round(3).tolist()
    [[0.341, 0.341]]
    """
    edges = _edges(edges)
    one = _single(prediction, output)
    # Bins hold their upper edges, as a cdf does; the first one holds its lower edge, too.
    limits = [np.nextafter(edges[0], -np.inf), *edges[1:]]
    cdf = np.stack([one.cdf(np.full((one.m, 1), edge))[:, 0] for edge in limits], axis=1)
    return np.asarray(np.diff(cdf, axis=1) / np.diff(edges))


def stacked_density(
    prediction: Prediction, edges: Any, output: int = 0, weights: Any = None
) -> FloatArray:
    """N(z): mean density of all objects in bins, shape (b,).

    Parameters
    ----------
    prediction, edges, output
        See `binned_density`.
    weights : array_like, shape (m,), optional
        Of the objects.

    Notes
    -----
    The stack estimates the distribution of the true values only as far as the training set is like
    the objects: see `covariate_shift`.
    """
    density = binned_density(prediction, edges, output)
    w = None if weights is None else vector(weights, "weights", len(density))
    if w is not None and ((w < 0).any() or not w.any()):
        raise InputError("weights must not be negative, and some must be positive.")
    return np.asarray(np.average(density, axis=0, weights=w))


def cde_loss(density: Any, y: Any, edges: Any) -> float:
    """Conditional density estimation loss of binned densities; less is better.

    Parameters
    ----------
    density : array_like, shape (m, b), or (b,) for one that all objects share
        From `binned_density` or `stacked_density`.
    y : array_like, shape (m,)
        True values.
    edges : array_like, shape (b + 1,)

    References
    ----------
    Izbicki R. & Lee A. B. 2017, Electronic Journal of Statistics 11, 2800, doi:10.1214/17-EJS1302

    Schmidt S. J. et al. 2020, MNRAS 499, 1587, doi:10.1093/mnras/staa2799
    """
    edges, truth = _edges(edges), vector(y, "y")
    f = floats(density, "density")
    finite(f, "density")
    if f.shape not in ((len(truth), len(edges) - 1), (len(edges) - 1,)):
        raise ShapeError(
            f"density must have shape ({len(truth)}, {len(edges) - 1}) or ({len(edges) - 1},), not "
            f"{f.shape}."
        )
    f = np.broadcast_to(f, (len(truth), len(edges) - 1))
    place = np.where(truth == edges[0], 0, np.searchsorted(edges, truth) - 1)
    inside = (place >= 0) & (place < f.shape[1])
    own = np.where(inside, f[np.arange(len(f)), np.clip(place, 0, f.shape[1] - 1)], 0.0)
    return float(np.mean(f**2 @ np.diff(edges)) - 2 * own.mean())


def to_qp(prediction: Prediction, edges: Any = None, output: int = 0) -> Any:
    """Hand densities of one output on as an ensemble of `qp`, which RAIL and its friends read.

    Gaussians and mixtures of at most 100 of them are handed on exactly, as Gaussian mixtures; all
    else as histograms in the bins of `edges`.

    Parameters
    ----------
    prediction : Prediction
    edges : array_like, shape (b + 1,), optional
        Needed for histograms.
    output : int

    Returns
    -------
    qp.Ensemble
        Of m distributions; its ``write_to`` writes a file.

    Raises
    ------
    InputError
        If edges are needed and not given, or hold none of an object's density.
    PluginLoadError
        If `qp` is not installed.

    References
    ----------
    Malz A. I. et al. 2018, AJ 156, 35, doi:10.3847/1538-3881/aac6b5
    """
    try:
        import qp
    except ImportError as error:
        raise PluginLoadError(
            f"qp cannot be imported ({error}): pip install 'equatorium[rail]'"
        ) from error
    one = _single(prediction, output)
    if edges is None and isinstance(one, Gaussian):
        one = Mixture(np.ones(1), one.mean[None], [one.covariance])
    if edges is None and isinstance(one, Mixture) and len(one.weights) <= _FEW:
        std = np.stack([member.std[:, 0] for member in one.members], axis=1)
        if not (std > 0).all():
            raise InputError("a Gaussian of no width has no density: give edges.")
        weights = np.asarray(one.weights).T
        return qp.mixmod.create_ensemble(means=one.means[..., 0].T, stds=std, weights=weights)
    if edges is None:
        raise InputError(f"a {type(one).__name__} is handed on as a histogram: give its edges.")
    density = binned_density(one, edges)
    if not (density.sum(axis=1) > 0).all():
        raise InputError("the bins hold nothing of some objects' densities: widen the edges.")
    return qp.hist.create_ensemble(bins=_edges(edges), pdfs=density)


def _single(prediction: Prediction, output: int) -> Prediction:
    if not isinstance(prediction, Prediction) or isinstance(prediction, Categorical):
        raise InputError(f"densities need a Prediction of numbers, not {prediction!r:.80}.")
    return prediction if prediction.p == 1 and output == 0 else prediction.marginal(output)


def _edges(edges: Any) -> FloatArray:
    array: FloatArray = vector(edges, "edges")
    if len(array) < 2 or not (np.diff(array) > 0).all():
        raise InputError("edges must be at least two increasing numbers.")
    return array
