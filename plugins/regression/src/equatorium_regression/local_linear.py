"""A straight line through the runs around every point."""

import numpy as np

from equatorium_regression.choices import number, windows
from equatorium_regression.local import Local
from equatorium_regression.smoothing import gaussian, local_lines, tricube

_RIDGES = (1e-4, 1e-3, 1e-2, 0.1, 1.0)


class LocalLinear(Local):
    r"""Weighted linear regression, anew at every point.

    .. math:: f(x) = a, \quad (a, b) = \arg\min \sum_i K_h(|x - x_i|)
              \left(y_i - a - b^T (x_i - x) / h\right)^2 + r\, |b|^2 \sum_i K_h(|x - x_i|)

    Unlike a local mean it has no bias on a slope or at the edge of the runs: on linear data it is
    exact. The ridge r, zero or chosen with the bandwidth by leaving runs out, keeps slopes that the
    neighbours hardly determine from running away; a direction in which they do not differ gets
    none.

    Parameters
    ----------
    bandwidth : float or None
        h of a Gaussian kernel, in units of the metric's lengths.
    neighbours : int or None
        In its place, a tricube kernel that ends at this neighbour. With neither, both are tried.
    ridge : float or None
    metric : str or sequence of float
        ``"learned"``, ``"standard"``, or the length of each input.
    distribution : str
        ``"gaussian"``, or ``"weighted"``: the neighbours' residuals themselves.
    max_neighbours : int
        The Gaussian kernel, too, sums over so many neighbours at most.

    References
    ----------
    Cleveland W. S. & Devlin S. J. 1988, JASA 83, 596, doi:10.1080/01621459.1988.10478639.
    Fan J. 1992, JASA 87, 998, doi:10.1080/01621459.1992.10476255
    """

    def __init__(
        self,
        *,
        bandwidth=None,
        neighbours=None,
        ridge=None,
        metric="learned",
        distribution="gaussian",
        max_neighbours=256,
    ):
        self.bandwidth = bandwidth
        self.neighbours = neighbours
        self.ridge = ridge
        self.metric = metric
        self.distribution = distribution
        self.max_neighbours = max_neighbours

    @classmethod
    def conformance_options(cls):
        """Return small settings for the conformance kit."""
        return {"neighbours": 12}

    def _settings(self, distance):
        ridge = 0.01 if self.ridge is None else number(self.ridge, "ridge")
        least = self.points_.shape[1] + 2
        found = windows(self, distance, least)
        return [setting._replace(ridge=ridge) for setting in found]

    def _refined(self, setting):
        if self.ridge is not None:
            return ()
        return [setting._replace(ridge=ridge) for ridge in (0.0, *_RIDGES)]

    def _weights(self, setting, distance, index, query):
        h = setting.bandwidth
        weight = (gaussian(distance, h) if h else tricube(distance)) * self.weight_[index]
        last = distance[:, -1]
        length = np.full(len(last), h) if h else np.where(last > 0, last, 1.0)
        return local_lines(self.points_[index], query, weight, length, setting.ridge)
