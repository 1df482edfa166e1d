"""The linear algebra of covariances, diagonal, low-rank, banded or dense, in one place and exact.

Sums keep the cheapest type that is exact: ``Diagonal + Diagonal`` is diagonal, with a ``LowRank``
it is low-rank (written out once 3 k >= p), with a ``Dense`` it is dense. No jitter is ever added: a
matrix that is not positive definite raises, naming its smallest eigenvalue.

>>> total = Diagonal([1.0, 1.0]) + Dense([[1.0, 0.5], [0.5, 1.0]])
>>> type(total).__name__, round(float(total.mahalanobis([1.0, 1.0])), 6)
('Dense', 0.8)
"""

from typing import Any

from equatorium.checks import floats
from equatorium.records.covariance_banded import Banded
from equatorium.records.covariance_base import Covariance
from equatorium.records.covariance_dense import Dense
from equatorium.records.covariance_diagonal import Diagonal
from equatorium.records.covariance_lowrank import LowRank

__all__ = ["Banded", "Covariance", "Dense", "Diagonal", "LowRank", "as_covariance"]


def as_covariance(given: Any) -> Covariance:
    """Take a Covariance as it is, standard deviations (q,), or a matrix (q, q)."""
    if isinstance(given, Covariance):
        return given
    array = floats(given, "covariance")
    return Dense(array) if array.ndim >= 2 else Diagonal(array**2)
