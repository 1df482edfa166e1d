"""Velocity of a star with one planet, for many orbits at once."""

import numpy as np


def eccentric_anomaly(M, e):
    """Solve Kepler's equation E - e sin E = M for arrays that broadcast, 0 <= e < 1.

    Danby's start and third-order steps (Danby 1987, Celest. Mech. 40, 303): a few are enough at
    any e; their number is fixed, so that a batch takes no branches.
    """
    M = np.mod(np.asarray(M, dtype=float) + np.pi, 2 * np.pi) - np.pi
    E = M + 0.85 * e * np.sign(np.sin(M))
    for _ in range(6):
        s, c = e * np.sin(E), e * np.cos(E)
        f, f1 = E - s - M, 1 - c
        step = -f / (f1 - 0.5 * f * s / f1)  # Halley's
        E = E - f / (f1 + 0.5 * step * s + step**2 * c / 6)
    return E


def radial_velocity(t, period, amplitude, longitude, ecos, esin, offset):
    """Give the velocity at times t (n,), for columns (m, 1) of elements.

    `longitude` is the mean longitude at t = 0 (mean anomaly + argument of periastron), which is
    defined for a circle too; `ecos`, `esin` are sqrt(e) times cosine and sine of the argument.
    """
    e = np.minimum(ecos**2 + esin**2, 0.99)
    omega = np.arctan2(esin, ecos)
    E = eccentric_anomaly(2 * np.pi * t / period + longitude - omega, e)
    half = np.arctan2(np.sqrt(1 + e) * np.sin(E / 2), np.sqrt(1 - e) * np.cos(E / 2))
    return offset + amplitude * (np.cos(2 * half + omega) + e * np.cos(omega))
