"""How far the best model may still be from nature: the covariance of model discrepancy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium.records.base import Record
from equatorium.records.coordinates import known_coordinate, tolerance
from equatorium.records.covariance import Banded, Covariance, Dense, Diagonal, LowRank
from equatorium.records.observation import Observation

_MANY = 500  # data, from which correlations are kept in bands where these are few
_NEGLIGIBLE = 1e-15  # correlation: the precision of numbers, or the matrix might be indefinite
_WIDTH = 2.5  # mean spacings of the data, of the weights behind a slope


@dataclass(frozen=True, eq=False)
class Discrepancy(Record):
    r"""Model discrepancy, correlated along coordinates.

    .. math:: S_{ij} = (\sigma^2 + f^2 |v_i| |v_j|)\, \rho_{ij}
              + \sum_c \delta_c^2\, \partial_c v_i\, \partial_c v_j

    with :math:`\rho` the Matern-5/2 correlation of the distance in correlation lengths,
    :math:`(1 + \sqrt5 r + 5 r^2 / 3) e^{-\sqrt5 r}`, smooth as errors of physics are but, unlike
    the squared exponential, well conditioned. It is zero between data that differ in a coordinate
    without a length.

    Parameters
    ----------
    std : float
        Standard deviation sigma, in the data's unit.
    fraction : float
        Standard deviation f as a fraction of the observed value.
    length : mapping of str to float
        Correlation length along coordinates.
    shift : mapping of str to float
        Standard deviation delta of a common shift of all data along a coordinate (such as a mass
        calibration), a rank-one term; derivatives are those of a smooth curve through the observed
        values, see `slope`.
    diagonal : bool
        Ask for independent errors. They claim that many data average the discrepancy away, which
        systematic errors do not, so they must be asked for.

    References
    ----------
    Brynjarsdottir & O'Hagan (2014), doi:10.1088/0266-5611/30/11/114007; Rasmussen & Williams
    (2006), Gaussian Processes for Machine Learning, eq. 4.17.

    Examples
    --------
    >>> seen = Observation([1.0, 2.0], [0.1, 0.1], {"mass": [9.0, 9.5]})
    >>> Discrepancy(0.1, length={"mass": 0.5}).covariance(seen).dense().round(4).tolist()
    [[0.01, 0.0052], [0.0052, 0.01]]
    """

    std: float = 0.0
    fraction: float = 0.0
    length: Mapping[str, float] = field(default_factory=dict)
    shift: Mapping[str, float] = field(default_factory=dict)
    diagonal: bool = False

    def __post_init__(self) -> None:
        for name in ("std", "fraction"):
            object.__setattr__(self, name, _size(name, getattr(self, name)))
        for name in ("length", "shift"):
            along = getattr(self, name)
            if not isinstance(along, Mapping):
                raise InputError(
                    f"{name} of a Discrepancy goes by coordinate, such as "
                    f"{{'log_mstar': 0.5}}, but it is {along!r}."
                )
            given = {str(k): _size(f"{name} along {k!r}", v) for k, v in along.items()}
            object.__setattr__(self, name, given)
        if any(value == 0 for value in self.length.values()):
            raise InputError("A correlation length must be positive; for none, set diagonal=True.")
        if self.diagonal and self.length:
            raise InputError(
                "A discrepancy is either diagonal or has correlation lengths, but both are given."
            )

    @classmethod
    def none(cls) -> Self:
        """No discrepancy: the model is taken to be perfect at its best parameters."""
        return cls()

    def inflated(self, factor: float) -> Self:
        """Multiply all standard deviations by a factor."""
        by = _size("the factor of inflation", factor)
        shift = {name: by * value for name, value in self.shift.items()}
        return type(self)(by * self.std, by * self.fraction, self.length, shift, self.diagonal)

    def covariance(self, observation: Observation) -> Covariance:
        """Covariance over the data, p = q.

        Raises
        ------
        InputError
            If data with coordinates get a discrepancy without length that was not asked to be
            diagonal, or a derivative cannot be taken.
        UnknownNameError
            If a length or shift is along a coordinate that the observation does not have.
        """
        for name in (*self.length, *self.shift):
            known_coordinate(name, observation.coords)
        values = np.abs(observation.values)
        total: Covariance = Diagonal(self.std**2 + np.square(self.fraction * values))
        if self.std or self.fraction:
            if not (self.length or self.diagonal) and observation.coords:
                first = next(iter(observation.coords))
                raise InputError(
                    "A discrepancy without a correlation length treats systematic errors as if "
                    f"they averaged out over data. Give one, such as length={{{first!r}: ...}}, or "
                    "say diagonal=True."
                )
            if self.length:
                total = self._correlated(values, observation)
        if any(self.shift.values()):
            moved = [step * slope(observation, name) for name, step in self.shift.items() if step]
            total = total + LowRank(np.zeros(observation.q), np.stack(moved, axis=1))
        return total

    def _correlated(self, values: FloatArray, observation: Observation) -> Covariance:
        amplitude = self.std**2 + self.fraction**2 * np.outer(values, values)
        correlation = self._correlation(observation)
        if observation.q >= _MANY:  # a spectrum: beyond so many places nothing is left
            far = np.abs(np.subtract(*np.nonzero(correlation > _NEGLIGIBLE))).max(initial=0)
            if far < observation.q / 8:
                return Banded.of(amplitude * correlation, int(far))
        return Dense(amplitude * correlation)

    def _correlation(self, observation: Observation) -> FloatArray:
        scaled = np.stack([observation.coords[c] / self.length[c] for c in self.length], axis=1)
        r = np.minimum(np.sqrt(5) * cdist(scaled, scaled), 1e3)  # beyond, exp(-r) is zero
        matern = (1 + r + r**2 / 3) * np.exp(-r)
        return np.asarray(np.where(_together(observation, tuple(self.length)), matern, 0.0))


def _size(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (np.isfinite(number * number) and number >= 0):
        raise InputError(f"{name} of a Discrepancy must be a number >= 0, but it is {value!r}.")
    return number


def _together(observation: Observation, along: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which pairs of data (q, q) share all coordinates but those in `along`."""
    pairs = np.ones((observation.q, observation.q), dtype=bool)
    for name, x in observation.coords.items():
        if name not in along:
            pairs &= np.abs(x[:, None] - x) <= tolerance(x)
    return pairs


def slope(observation: Observation, along: str) -> FloatArray:
    """Differentiate the observed values along a coordinate, among data that share all others.

    Each derivative is that of a cubic fitted about its datum (a lower polynomial through less than
    five data), with weights of the data's errors and of a Gaussian 2.5 mean spacings wide: the
    data's own noise would else count as slope, and make a shift out of errors.

    References
    ----------
    Fan & Gijbels (1996), Local Polynomial Modelling and Its Applications, section 3.1.
    """
    x, values = observation.coords[along], observation.values
    std = np.sqrt(observation.covariance.diagonal())
    weight = 1.0 / std if (std > 0).all() else np.ones_like(std)
    derivative = np.empty(len(x))
    for group in np.unique(_together(observation, (along,)), axis=0):
        members = np.flatnonzero(group)
        where = x[members]
        if len(members) < 2 or not (np.diff(np.sort(where)) > tolerance(x)).all():
            raise InputError(
                f"A shift along {along!r} needs at least two data at distinct {along!r} that share "
                f"their other coordinates, but {observation.describe(int(members[0]))} has none."
            )
        derivative[members] = _local_slope(where, values[members], weight[members])
    return derivative


def _local_slope(x: FloatArray, y: FloatArray, weight: FloatArray) -> FloatArray:
    """Slope (n,) at each x (n,) of a polynomial fitted about it."""
    n = len(x)
    u = (x[:, None] - x) * (n - 1) / np.ptp(x)  # in mean spacings; column k is seen from x_k
    powers = np.arange(min(3, (n + 1) // 2) + 1)
    # One that lies far from all others needs two of them, however far, to have a slope.
    width = np.maximum(_WIDTH, np.sort(np.abs(u), axis=0)[min(2, n - 1)])
    w = weight[:, None] * np.exp(-0.25 * np.square(u / width))
    scale = w.max(axis=0)
    terms = (u[..., None] ** powers * (w / scale)[..., None]).transpose(1, 0, 2)
    about = np.linalg.pinv(terms)[:, 1] * (w / scale).T
    return np.asarray(about @ y * (n - 1) / np.ptp(x))
