"""Probabilities that mean what they say: sharpened or flattened until held-out labels agree."""

import numpy as np
from scipy.optimize import minimize

from equatorium import errors

_BOUNDS = ((-2.0, 2.0), (-12.0, -1.0))  # of the logs of power and floor


def fit_calibration(P, codes):
    r"""Power and floor that make held-out labels most probable.

    .. math:: q_k \propto (p_k + \epsilon)^\beta

    is temperature scaling (Guo et al. 2017) of probabilities that may be zero, as votes are. It
    never changes which class is the likeliest.

    Parameters
    ----------
    P : ndarray, shape (n, c)
        Held-out probabilities.
    codes : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (2,)
        beta and epsilon.

    Examples
    --------
    >>> P = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> many, codes = np.tile(P, (50, 1)), np.tile([0, 1, 0, 1], 50)  # right three times in four
    >>> bool(abs(calibrated(P, fit_calibration(many, codes))[0, 0] - 0.75) < 0.01)
    True

    References
    ----------
    Guo C., Pleiss G., Sun Y. & Weinberger K. Q. 2017, Proceedings of Machine Learning Research 70,
    1321, doi:10.48550/arXiv.1706.04599
    """
    n, c = P.shape
    if c == 1 or n < 2:
        return np.array([1.0, np.exp(_BOUNDS[1][0])])
    row = np.arange(n)

    def loss(logs):
        q = calibrated(P, np.exp(logs))
        # One label of every class, never seen: without it, few labels make sure of everything.
        prior = np.mean(np.log(np.maximum(q, 1e-300))) / c
        return -(np.log(np.maximum(q[row, codes], 1e-300)).sum() + c * prior) / n

    found = minimize(loss, [0.0, -4.0], method="L-BFGS-B", bounds=_BOUNDS)
    return np.exp(found.x)


def calibrated(P, power_and_floor):
    """Apply what `fit_calibration` found to probabilities (m, c)."""
    power, floor = power_and_floor
    logs = power * np.log(P + floor)
    q = np.exp(logs - logs.max(axis=1, keepdims=True))
    return q / q.sum(axis=1, keepdims=True)


def check_calibration(values):
    """Refuse what is no power and floor.

    Raises
    ------
    StateError
    """
    power, floor = values
    if not (0 < power < 1e3 and 0 < floor < 1):
        raise errors.StateError("'calibration_' of the state must hold a power and a small floor.")
