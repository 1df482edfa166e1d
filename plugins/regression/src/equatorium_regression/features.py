"""Basis functions of the inputs, with their slopes: polynomials and Gaussian bumps."""

from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.polynomial import legendre


def terms(d, degree):
    """Return the powers of all polynomial terms but the constant, (k, d), of total degree at most.

    >>> terms(2, 2).tolist()
    [[1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    """
    rows = [
        np.bincount(chosen, minlength=d)
        for total in range(1, degree + 1)
        for chosen in combinations_with_replacement(range(d), total)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, d)


def count(d, degree):
    """Return how many terms there are, without the constant.

    >>> count(2, 2)
    5
    """
    return comb(d + degree, degree) - 1


def polynomials(Z, powers):
    """Return products of Legendre polynomials, (m, k), of Z (m, d) in [-1, 1].

    They span the same functions as products of powers do, but lean on each other much less.
    """
    one = legendre.legvander(Z, int(powers.max(initial=0)))
    value = np.ones((len(Z), len(powers)))
    for j in range(Z.shape[1]):
        used = powers[:, j] > 0
        value[:, used] *= one[:, j, powers[used, j]]
    return value


def polynomial_slopes(Z, powers):
    """Return the slopes of `polynomials` with Z, (m, d, k)."""
    degree = int(powers.max(initial=0))
    one = legendre.legvander(Z, degree)
    unit = np.eye(degree + 1)
    deriv = np.stack([legendre.legval(Z, legendre.legder(c)) for c in unit], axis=-1)
    slope = np.ones((len(Z), Z.shape[1], len(powers)))
    for axis in range(Z.shape[1]):
        for j in range(Z.shape[1]):
            slope[:, axis] *= (deriv if j == axis else one)[:, j, powers[:, j]]
    return slope


def bumps(Z, centres, width):
    """Return exp(-|z - c|^2 / 2 width^2), (m, k), for Z (m, d) and centres (k, d).

    >>> bumps(np.zeros((1, 1)), np.array([[0.0], [1.0]]), 1.0).round(3).tolist()
    [[1.0, 0.607]]
    """
    square = np.square(Z[:, None] - centres).sum(axis=2)
    return np.exp(-0.5 * square / width**2)


def bump_slopes(Z, centres, width):
    """Return the slopes of `bumps` with Z, (m, d, k)."""
    offset = np.swapaxes(centres - Z[:, None], 1, 2)
    return bumps(Z, centres, width)[:, None] * offset / width**2


def spread_out(Z, k):
    """Return k of the points Z (n, d) that lie far apart, each farthest from those before.

    With one input, k points at equal distances over its range.
    """
    if Z.shape[1] == 1:
        return np.linspace(Z.min(), Z.max(), k)[:, None]
    chosen = [int(np.argmin(np.square(Z).sum(axis=1)))]
    nearest = np.full(len(Z), np.inf)
    while len(chosen) < k:
        nearest = np.minimum(nearest, np.square(Z - Z[chosen[-1]]).sum(axis=1))
        if nearest.max() == 0:
            break  # all that are left are copies
        chosen.append(int(np.argmax(nearest)))
    return Z[chosen]
