"""Finding rows by their coordinates: the unusual ones, and those like a few examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from equatorium.checks import FloatArray, Rng, generator, matrix, vector
from equatorium.errors import InputError

_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows in order.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Indices of the rows, the most unusual or most alike first.
    score : ndarray, shape (n,)
        Of every row, in the rows' own order; large comes first.
    """

    order: Any
    score: FloatArray

    def purity_and_recovery(self, wanted: Any) -> tuple[FloatArray, FloatArray]:
        """Return, for every length of the list, which shares of it and of the wanted are right.

        Parameters
        ----------
        wanted : array_like of bool, shape (n,)
            The truth, where it is known.
        """
        right = np.cumsum(np.asarray(wanted, dtype=bool)[self.order])
        if not right[-1]:
            raise InputError("No row is wanted, so there is nothing to recover.")
        return right / np.arange(1, len(right) + 1), right / right[-1]


def rank_unusual(Z: Any, chi2: Any = None, *, n_neighbors: int = 20) -> Ranking:
    """Rank rows by how unlike all others they are.

    The local outlier factor compares a row's density with that of its neighbours. A row can also be
    one that the embedding does not describe: given the chi-squared of what is left of each, a
    row counts as unusual as the larger of the two says, each in robust standard deviations.

    Parameters
    ----------
    Z : array_like, shape (n, k)
        Coordinates; for spectra with errors and gaps, those of `hmf`.
    chi2 : array_like, shape (n,), optional
        Mean chi-squared of each row there and back.
    n_neighbors : int

    References
    ----------
    Breunig M. M. et al. 2000, doi:10.1145/342009.335388

    Examples
    --------
    >>> Z = np.random.default_rng(1).normal(size=(60, 2))
    >>> Z[7] = 9.0
    >>> int(rank_unusual(Z).order[0])
    7
    """
    Z = matrix(Z, "Z")
    if not 1 <= n_neighbors < len(Z):
        raise InputError(f"n_neighbors must be from 1 to below {len(Z)} rows: {n_neighbors!r}.")
    factor = LocalOutlierFactor(n_neighbors=n_neighbors).fit(Z).negative_outlier_factor_
    score = _robust(-factor)
    if chi2 is not None:
        score = np.maximum(score, _robust(np.log(vector(chi2, "chi2", len(Z)) + 1e-300)))
    return _ranked(score)


def rank_like(Z: Any, examples: Any, *, rng: Rng = 0) -> Ranking:
    """Rank rows by how much they are like a few examples.

    Examples are known, all other rows are not: among them are more of the kind. So a support
    vector machine learns, sixty times, to tell the examples from a few rows drawn at random, and a
    row's score is its mean margin over the rounds in which it was not drawn. Examples are scored
    likewise, left out by turns.

    Parameters
    ----------
    Z : array_like, shape (n, k)
        Coordinates; some ten components of `hmf` or `pca` tell more than a map of two.
    examples : array_like of int, or of bool, shape (n,)
        At least 5 rows.
    rng : int, Generator or None

    Returns
    -------
    Ranking

    References
    ----------
    Mordelet F. & Vert J.-P. 2014, doi:10.1016/j.patrec.2013.06.010; the use of it in astronomy:
    Matijevic G. et al. 2017, doi:10.1051/0004-6361/201730417

    Examples
    --------
    ::

        Z = eq.embedder("hmf", n_components=10).fit_transform(spectra, ivar=ivar)
        candidates = eq.rank_like(Z, metal_poor).order[:100]
    """
    Z, rng = StandardScaler().fit_transform(matrix(Z, "Z")), generator(rng)
    known = _chosen(examples, len(Z))
    others = np.setdiff1d(np.arange(len(Z)), known)
    if len(known) < 5 or len(others) < 5:
        raise InputError(
            f"A ranking needs 5 examples and 5 other rows, but there are {len(known)} and "
            f"{len(others)}."
        )
    total, count = np.zeros(len(Z)), np.zeros(len(Z))
    for _ in range(_ROUNDS):
        wanted = rng.permutation(known)[: max(4, int(0.8 * len(known)))]
        drawn = rng.permutation(others)[: min(5 * len(known), len(others) - 1)]
        rows = np.concatenate([wanted, drawn])
        machine = SVC(class_weight="balanced").fit(Z[rows], np.isin(rows, wanted))
        fresh = np.setdiff1d(np.arange(len(Z)), rows)
        total[fresh] += machine.decision_function(Z[fresh])
        count[fresh] += 1
    return _ranked(total / np.maximum(count, 1))


def _chosen(examples: Any, n: int) -> Any:
    chosen = np.asarray(examples)
    if chosen.dtype.kind == "b" and chosen.shape == (n,):
        return np.flatnonzero(chosen)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or not chosen.size:
        raise InputError(f"examples must be indices of rows, or a mask of all {n}.")
    if chosen.min() < 0 or chosen.max() >= n:
        raise InputError(f"examples must be indices from 0 to {n - 1}, not {chosen.tolist()}.")
    return np.unique(chosen)


def _robust(x: FloatArray) -> FloatArray:
    middle = np.median(x)
    return np.asarray((x - middle) / (1.4826 * np.median(np.abs(x - middle)) + 1e-300))


def _ranked(score: FloatArray) -> Ranking:
    return Ranking(np.argsort(-score, kind="stable"), score)
