"""The mean of the runs around, weighted by a kernel: Nadaraya and Watson's regression."""

from equatorium_regression.choices import windows
from equatorium_regression.local import Local
from equatorium_regression.smoothing import gaussian, tricube


class Kernel(Local):
    r"""The weighted mean of the runs, by Nadaraya and Watson.

    .. math:: f(x) = \sum_i K_h(|x - x_i|)\, y_i \Big/ \sum_i K_h(|x - x_i|)

    K is a Gaussian of fixed bandwidth h, or the tricube kernel that ends at the k-th neighbour, so
    that h follows the density of the runs. The bandwidth is the one that predicts runs left out
    best, and leave-one-out needs no refit: :math:`f_{-i}(x_i)` is the same sum without run i.

    Parameters
    ----------
    bandwidth : float or None
        h, in units of the metric's lengths.
    neighbours : int or None
        k in place of h. With neither, both kinds are tried.
    metric : str or sequence of float
        ``"learned"``, ``"standard"``, or the length of each input.
    distribution : str
        ``"gaussian"``, or ``"weighted"``: the neighbours' residuals themselves.
    max_neighbours : int
        The Gaussian kernel, too, sums over so many neighbours at most.

    References
    ----------
    Nadaraya E. A. 1964, Theory of Probability and its Applications 9, 141, doi:10.1137/1109020.
    Watson G. S. 1964, Sankhya A 26, 359.
    """

    def __init__(
        self,
        *,
        bandwidth=None,
        neighbours=None,
        metric="learned",
        distribution="gaussian",
        max_neighbours=256,
    ):
        self.bandwidth = bandwidth
        self.neighbours = neighbours
        self.metric = metric
        self.distribution = distribution
        self.max_neighbours = max_neighbours

    @classmethod
    def conformance_options(cls):
        """Return small settings for the conformance kit."""
        return {"neighbours": 8}

    def _settings(self, distance):
        return windows(self, distance, least=2)

    def _weights(self, setting, distance, index, query):
        h = setting.bandwidth
        weight = gaussian(distance, h) if h else tricube(distance)
        weight = weight * self.weight_[index]
        return weight / weight.sum(axis=1, keepdims=True)
