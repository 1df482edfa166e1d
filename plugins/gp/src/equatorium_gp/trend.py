"""The polynomial trend: products of Legendre polynomials of the active inputs.

The span is that of the ordinary monomials; Legendre polynomials on the training box are nearly
orthogonal over it, so that generalised least squares is well conditioned up to the third degree.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from scipy.stats import f as f_distribution

from equatorium.checks import FloatArray
from equatorium.errors import InputError, did_you_mean

TRENDS = ("constant", "linear", "purequadratic", "quadratic", "cubic")


def terms(trend: str, active: Sequence[int]) -> list[tuple[int, ...]]:
    """List the monomials of a trend, each as the tuple of its columns (repeated for powers).

    ``constant``; ``linear``; ``purequadratic`` (linear and squares, no products); ``quadratic``
    and ``cubic`` (every monomial up to the second or third degree).

    >>> terms("quadratic", [0, 3])
    [(), (0,), (3,), (0, 0), (0, 3), (3, 3)]
    """
    if trend not in TRENDS:
        raise InputError(
            f"trend={trend!r} is not known.{did_you_mean(str(trend), TRENDS)} "
            f"Choose 'auto' or one of {', '.join(TRENDS)}."
        )
    if trend == "purequadratic":
        return [(), *((j,) for j in active), *((j, j) for j in active)]
    degree = {"constant": 0, "linear": 1, "quadratic": 2, "cubic": 3}[trend]
    return [c for k in range(degree + 1) for c in combinations_with_replacement(active, k)]


class Basis:
    """Evaluates the terms of a trend at inputs scaled to the unit box.

    Parameters
    ----------
    monomials : list of tuples of int
        As :func:`terms` lists them; at most three factors each.
    """

    def __init__(self, monomials: Sequence[tuple[int, ...]]) -> None:
        self.monomials = list(monomials)
        # Each term is a product of at most three one-column polynomials; degree 0 pads with ones.
        self._column = np.zeros((len(self.monomials), 3), dtype=int)
        self._degree = np.zeros((len(self.monomials), 3), dtype=int)
        for k, monomial in enumerate(self.monomials):
            for slot, column in enumerate(sorted(set(monomial))):
                self._column[k, slot] = column
                self._degree[k, slot] = monomial.count(column)

    def __call__(self, X: FloatArray) -> FloatArray:
        """Values (m, t) at X (m, d)."""
        x = 2.0 * X.T - 1.0
        legendre = np.stack([np.ones_like(x), x, 1.5 * x**2 - 0.5, 2.5 * x**3 - 1.5 * x])
        return np.asarray(legendre[self._degree, self._column].prod(axis=1).T)

    def pulled(self, X: FloatArray, upstream: FloatArray) -> FloatArray:
        """Carry a gradient by the values (m, t) back to X (m, d)."""
        x = 2.0 * X.T - 1.0
        one = np.ones_like(x)
        values = np.stack([one, x, 1.5 * x**2 - 0.5, 2.5 * x**3 - 1.5 * x])
        slopes = 2.0 * np.stack([0.0 * x, one, 3.0 * x, 7.5 * x**2 - 1.5])
        parts = values[self._degree, self._column]  # (t, 3, m)
        found = np.zeros_like(x)
        for slot in range(3):
            others = np.delete(parts, slot, axis=1).prod(axis=1)
            slope = slopes[self._degree[:, slot], self._column[:, slot]] * others
            np.add.at(found, self._column[:, slot], slope * upstream.T)
        return found.T


def active_inputs(X: FloatArray, Y: FloatArray, active: Any) -> list[int]:
    """Choose the inputs that an emulator responds to, one set for all outputs.

    Parameters
    ----------
    X : (n, d) array
        Runs in the unit box.
    Y : (n, p) array
        Outputs scaled to unit variance.
    active : "all", "auto", int or list of int
        A number k keeps the k inputs whose linear and quadratic terms explain most of the outputs'
        summed variance; "auto" keeps those significant for any output by an F-test of these two
        terms at the level 0.01, corrected for the number of inputs and outputs (Bonferroni). The
        terms of all inputs are fitted together where there are three runs per term, else one
        input's at a time.

    Raises
    ------
    InputError
        If `active` names columns that do not exist.
    """
    d = X.shape[1]
    if isinstance(active, str) and active == "all":
        return list(range(d))
    if isinstance(active, list | tuple | np.ndarray):
        whole = all(isinstance(j, int | np.integer) and not isinstance(j, bool) for j in active)
        columns = [int(j) for j in active] if whole else []
        if not columns or len(set(columns)) < len(columns) or not set(columns) <= set(range(d)):
            raise InputError(
                f"active={active!r} must list different columns between 0 and {d - 1}."
            )
        return sorted(columns)
    number = isinstance(active, int | np.integer) and not isinstance(active, bool)
    if not (active == "auto" or (number and 1 <= active <= d)):
        raise InputError(
            f"active={active!r} must be 'all', 'auto', a number of inputs from 1 to {d}, or a list "
            "of columns."
        )
    share, p_value = _relevance(X, Y)
    if number:
        return sorted(int(j) for j in np.argsort(-share, kind="stable")[:active])
    chosen = np.flatnonzero((p_value * Y.shape[1] * d < 0.01).any(axis=1))
    return [int(j) for j in chosen] or [int(np.argmax(share))]


def _relevance(X: FloatArray, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variance that each input's two terms explain (d,), and their F-test's p-values (d, p)."""
    n, d = X.shape
    together = n >= 3 * (2 * d + 1)
    values = [Basis([(), (j,), (j, j)])(X) for j in range(d)]
    if together:
        joint = np.hstack([values[0][:, :1], *(v[:, 1:] for v in values)])
    explained, p_value = np.zeros((d, Y.shape[1])), np.ones((d, Y.shape[1]))
    for j in range(d):
        A = joint if together else values[j]
        terms = slice(2 * j + 1, 2 * j + 3) if together else slice(1, 3)
        gram = np.linalg.pinv(A.T @ A, hermitian=True)
        beta = gram @ (A.T @ Y)
        rest = ((Y - A @ beta) ** 2).sum(axis=0)
        part = np.linalg.pinv(gram[terms, terms], hermitian=True) @ beta[terms]
        explained[j] = (part * beta[terms]).sum(axis=0)
        free = n - A.shape[1]
        if free > 0:
            ratio = (explained[j] / 2) / np.maximum(rest / free, 1e-300)
            p_value[j] = f_distribution.sf(ratio, 2, free)
    return explained.sum(axis=1), p_value
