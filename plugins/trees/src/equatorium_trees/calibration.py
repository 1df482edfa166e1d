"""Probabilities that mean what they say: sharpened or flattened until held-out labels agree."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from equatorium import errors

_BOUNDS = ((-2.0, 2.0), (-12.0, -1.0))  # of the logs of power and floor


def fit_calibration(P, codes, weight=None):
    r"""Power and floor that make held-out labels most probable.

    .. math:: q_k \propto (p_k + \epsilon)^\beta

    is temperature scaling (Guo et al. 2017) of probabilities that may be zero, as votes are. It
    never changes which class is the likeliest.

    Parameters
    ----------
    P : ndarray, shape (n, c)
        Held-out probabilities.
    codes : ndarray of int, shape (n,)
    weight : ndarray, shape (n,), optional
        How much a row counts, 1 on average.

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
    # One label of every class, never seen: without it, few labels make sure of everything.
    label = np.full((n, c), 1.0 / (n * c))
    label[np.arange(n), codes] += 1.0 if weight is None else weight

    def loss(v):
        power, floor = np.exp(v)
        logs = np.log(P + floor)
        log_q = log_softmax(power * logs, axis=1)
        # By the power of the odds, then by v.
        slope = power * (label.sum(axis=1, keepdims=True) * np.exp(log_q) - label) / n
        return -(label * log_q).sum() / n, [
            (slope * logs).sum(),
            floor * (slope / (P + floor)).sum(),
        ]

    found = minimize(loss, [0.0, -4.0], jac=True, method="L-BFGS-B", bounds=_BOUNDS)
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
