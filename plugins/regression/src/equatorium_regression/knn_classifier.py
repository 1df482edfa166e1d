"""The classes of the nearest rows."""

import numpy as np

from equatorium import Classifier, errors, state_array
from equatorium_regression.calibration import log_prior
from equatorium_regression.choices import numbers, whole
from equatorium_regression.metric import candidates, coordinates
from equatorium_regression.neighbours import Neighbours
from equatorium_regression.states import classes, near

_TRIES = 5000  # rows that are left out for each setting
_OWN = (0.1, 0.3, 1.0, 3.0)  # weights of the classes' shares, in units of a neighbour


class KNNClassifier(Classifier):
    r"""The shares of the classes among the k nearest rows.

    .. math:: p(y \mid x) \propto \frac{\pi_y}{f_y} \left(n_y(x) + a f_y\right)

    with n_y of the k neighbours of class y, and f_y the share of the class. k, a and the metric are
    those that give rows left out the best log score: the probabilities are calibrated by choice.

    Parameters
    ----------
    neighbours : int or None
        k; None chooses.
    metric : str or sequence of float
        ``"learned"`` from the slopes of the classes' shares, ``"standard"``, or the length of each
        input.
    prior : str or sequence of float
        The shares pi of the classes among new rows: ``"data"``, as among the runs; ``"equal"``, for
        rare classes and balanced accuracy; or a number for each class.
    max_neighbours : int
        The largest k that is tried.

    Attributes
    ----------
    neighbours_ : int
    pseudo_ : float
        a.

    References
    ----------
    Cover T. & Hart P. 1967, IEEE Trans. Inf. Theory 13, 21, doi:10.1109/TIT.1967.1053964
    """

    def __init__(self, *, neighbours=None, metric="learned", prior="data", max_neighbours=100):
        self.neighbours = neighbours
        self.metric = metric
        self.prior = prior
        self.max_neighbours = max_neighbours

    @classmethod
    def conformance_options(cls):
        """Return small settings for the conformance kit."""
        return {"neighbours": 5}

    def _fit(self, X, codes):
        n = len(X)
        if n < 2:
            raise errors.InputError(f"KNNClassifier needs 2 rows, but n_samples={n}.")
        self.codes_, self.counts_ = codes.astype(np.int64), np.bincount(codes)
        log_prior(self.prior, self.counts_)
        self.centre_ = X.mean(axis=0)
        most = min(n - 1, whole(self.max_neighbours, "max_neighbours"))
        ks = numbers(1, most)
        if self.neighbours is not None:
            ks = [min(whole(self.neighbours, "neighbours"), n - 1)]
        share = self.counts_ / n
        rows = np.unique(np.linspace(0, n - 1, _TRIES).astype(np.int64))
        # Rare classes count as much as common ones for what is near.
        maps = candidates(self.metric, X, np.eye(len(share))[codes] / np.sqrt(share))
        best = np.inf
        for M in maps:
            points = coordinates(X, self.centre_, M)
            index = Neighbours(points).others(rows, max(ks))[1]
            own = codes[index] == codes[rows, None]
            for k in ks:
                for a in _OWN:
                    chance = (own[:, :k].sum(axis=1) + a * share[codes[rows]]) / (k + a)
                    loss = -float(np.log(chance).mean())
                    if loss < best:
                        best = loss
                        self.metric_, self.points_ = M, points
                        self.neighbours_, self.pseudo_ = k, a

    def _predict_proba(self, X):
        index = self._near.nearest(coordinates(X, self.centre_, self.metric_), self.neighbours_)[1]
        share = self.counts_ / len(self.codes_)
        near = self.codes_[index]
        votes = np.stack([(near == k).sum(axis=1) for k in range(len(share))], axis=1)
        chance = votes + self.pseudo_ * share
        chance = chance * np.exp(log_prior(self.prior, self.counts_)) / share
        return chance / chance.sum(axis=1, keepdims=True)

    def set_state(self, state):
        """Take on what was learned, checked, and prepare the search."""
        if state:
            d, c = state.get("n_features_in_"), classes(state)
            n, r = np.shape(state_array(state, "points_", (None, None)))
            near(state["points_"], "points_")
            state_array(state, "metric_", (d, r))
            state_array(state, "centre_", (d,))
            codes = state_array(state, "codes_", (n,), "i")
            counts = state_array(state, "counts_", (c,), "i")
            k, a = state.get("neighbours_"), state.get("pseudo_")
            if n and (codes.min() < 0 or codes.max() >= c):
                raise errors.StateError(f"'codes_' of the state must number {c} classes.")
            if not np.array_equal(np.bincount(codes, minlength=c), counts) or (counts < 1).any():
                raise errors.StateError("'counts_' of the state must count its 'codes_'.")
            if type(k) is not int or not 1 <= k <= n:
                raise errors.StateError(f"'neighbours_' of the state cannot be {k!r}.")
            if not isinstance(a, float) or not 0 < a < np.inf:
                raise errors.StateError(f"'pseudo_' of the state cannot be {a!r}.")
        super().set_state(state)
        if state:
            self._near = Neighbours(self.points_)
        return self
