"""Numbers of neighbours and bandwidths worth trying, and the checks of those that a user gives."""

from typing import NamedTuple

import numpy as np

from equatorium import errors


class Setting(NamedTuple):
    """How many neighbours, of what bandwidth (0: the distance of the last), drawn how much."""

    neighbours: int
    bandwidth: float = 0.0
    ridge: float = 0.0


def numbers(least, most, ratio=1.6):
    """Return whole numbers from least to most, each about the ratio times the one before.

    >>> numbers(1, 10)
    [1, 2, 3, 4, 6, 10]
    """
    if most <= least:
        return [max(1, most)]
    steps = 1 + int(np.ceil(np.log(most / least) / np.log(ratio)))
    return sorted({round(k) for k in np.geomspace(least, most, steps).tolist()})


def bandwidths(distance, count=8):
    """Return bandwidths from the next neighbour's distance to the farthest's, typical ones."""
    typical = np.median(distance, axis=0)
    typical = typical[typical > 0]
    if not len(typical):
        return []
    return np.unique(np.geomspace(typical[0], typical[-1], count)).tolist()


def windows(model, distance, least):
    """Return the settings of a kernel: fixed bandwidths, and distances to a neighbour.

    Raises
    ------
    InputError
        If the model's options are no numbers, or both are given.
    """
    k, h, most = model.neighbours, model.bandwidth, distance.shape[1]
    cap = whole(model.max_neighbours, "max_neighbours")
    if k is not None and h is not None:
        raise errors.InputError("give neighbours or bandwidth, or none of them, but not both.")
    if k is not None:
        return [Setting(min(whole(k, "neighbours"), most))]
    if h is not None:
        return [Setting(cap, length(h, "bandwidth"))]
    fixed = [Setting(cap, h) for h in bandwidths(distance)]
    return [Setting(k) for k in numbers(least, most)] + fixed


def number(value, name, least=0.0, most=np.inf, other=" or None"):
    """Return an option that must be a number from least to most.

    >>> number(2, "alpha")
    2.0
    """
    real = isinstance(value, int | float | np.integer | np.floating)
    if not real or isinstance(value, bool) or not least <= float(value) <= most or value == np.inf:
        upto = "on" if most == np.inf else f"to {most:g}"
        raise errors.InputError(
            f"{name} must be a number from {least:g} {upto}{other}, not {value!r}."
        )
    return float(value)


def length(value, name):
    """Return an option that must be a positive number whose square a double can hold.

    >>> length(2, "width")
    2.0
    """
    return number(value, name, 1e-100, 1e100)


def seed(value):
    """Return an option that must be a whole number or None.

    >>> seed(0)
    0
    """
    return None if value is None else whole(value, "random_state", 0)


def output_number(value, p):
    """Return which of p outputs is meant.

    >>> output_number(1, 2)
    1
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < p:
        raise errors.InputError(f"output={value!r} must be a whole number from 0 to {p - 1}.")
    return int(value)


def whole(value, name, least=1):
    """Return an option that must be a whole number.

    >>> whole(3, "neighbours")
    3
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise errors.InputError(f"{name} must be a whole number from {least} on, not {value!r}.")
    return int(value)
