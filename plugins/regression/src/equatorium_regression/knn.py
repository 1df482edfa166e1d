"""The mean of the nearest runs."""

from equatorium_regression.choices import Setting, numbers, whole
from equatorium_regression.local import Local


class KNN(Local):
    r"""The mean of the k nearest runs; leaving each run out chooses k and the metric.

    .. math:: f(x) = \frac{1}{k} \sum_{i \in N_k(x)} y_i

    Declared noise weighs the neighbours by one over their variance.

    Parameters
    ----------
    neighbours : int or None
        k; None takes what predicts runs left out best.
    metric : str or sequence of float
        ``"learned"``, ``"standard"``, or the length of each input.
    distribution : str
        ``"gaussian"``, or ``"weighted"``: the neighbours' residuals themselves.
    max_neighbours : int
        The largest k that is tried.

    Attributes
    ----------
    neighbours_ : int
    metric_ : ndarray, shape (d, r)
        Distances are those of ``X @ metric_``.

    References
    ----------
    Cover T. & Hart P. 1967, IEEE Trans. Inf. Theory 13, 21, doi:10.1109/TIT.1967.1053964
    """

    def __init__(
        self, *, neighbours=None, metric="learned", distribution="gaussian", max_neighbours=128
    ):
        self.neighbours = neighbours
        self.metric = metric
        self.distribution = distribution
        self.max_neighbours = max_neighbours

    @classmethod
    def conformance_options(cls):
        """Return small settings for the conformance kit."""
        return {"neighbours": 4, "metric": "standard"}

    def _settings(self, distance):
        most = distance.shape[1]
        if self.neighbours is not None:
            return [Setting(min(whole(self.neighbours, "neighbours"), most))]
        return [Setting(k) for k in numbers(1, most)]

    def _weights(self, setting, distance, index, query):
        weight = self.weight_[index]
        return weight / weight.sum(axis=1, keepdims=True)
