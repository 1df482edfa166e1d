"""One tree and forests as emulators: the distribution of a point is that of its leaf-mates."""

import numpy as np
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from equatorium import Emulator, Ensemble, errors, state_array
from equatorium_trees import noise as declared
from equatorium_trees.grown import Grown, Many
from equatorium_trees.nodes import whole_number


class _Leafy(Grown, Emulator):
    """An emulator whose predictions are weighted runs."""

    def _fit(self, X, Y, noise):
        target = _standard(Y[:, 0] if Y.shape[1] == 1 else Y)
        self.values_, self.shrink_ = Y.copy(), np.ones(Y.shape[1])
        if noise is None:
            self._grow(X, target, None)
            return
        # How far runs scatter without their noise is known once trees have been grown.
        self._grow(X, target, declared.weights(noise, declared.robust_variance(Y)))
        own = declared.scatter(Y - self._runs().held_out_mean(), noise)
        self._grow(X, target, declared.weights(noise, own))
        known = self.weight_ @ noise / self.weight_.sum()
        self.shrink_ = np.sqrt(own / (own + known))

    def set_state(self, state):
        """Take on trees, runs and factors that fit together."""
        if state:
            p = whole_number(state, "n_outputs_")
            state_array(state, "values_", (None, p))
            shrink = state_array(state, "shrink_", (p,))
            if not ((shrink > 0) & (shrink <= 1)).all():
                raise errors.StateError("'shrink_' of the state must be factors of at most 1.")
        return super().set_state(state)

    def _predict_dist(self, X):
        return self._leaves.distribution(self._nodes(X))

    def predict_mean(self, X):
        """Predict the mean alone: several times as fast, and `predict` but for rounding.

        Parameters
        ----------
        X : array_like, shape (m, d)

        Returns
        -------
        ndarray, shape (m, p)
        """
        return self._mean(self._validate_query(X))


def _standard(Y):
    """Bring outputs to a scatter of 1 to 2 near zero, and leave their last bits as they were.

    scikit-learn takes a variance below 2e-16 for none, and sums those of several outputs. Powers of
    two, and offsets that are multiples of them, leave it to break ties as it would have done.
    """
    width = Y.std(axis=0)
    unit = 2.0 ** np.floor(np.log2(np.where(width > 0, width, 1.0)))
    return (Y - 16 * unit * np.round(Y.mean(axis=0) / (16 * unit))) / unit


class Tree(_Leafy):
    r"""A single decision tree: splits in two, and in two again, each where it helps most.

    The prediction is the distribution of the runs in the leaf. It is easy to read, and changes much
    with the runs: forests are better.

    Parameters
    ----------
    max_depth : int or None
    min_samples_leaf : int
        Runs in a leaf, at least.
    max_leaf_nodes : int or None
    random_state : int or None
        Decides between splits that are equally good.

    References
    ----------
    Breiman L., Friedman J., Olshen R. & Stone C. 1984, Classification and Regression Trees, ISBN
    978-0-412-04841-8

    Examples
    --------
    >>> X = np.arange(8.0)[:, None]
    >>> Tree(min_samples_leaf=4).fit(X, np.array([0, 1, 0, 1, 5, 6, 5, 6.0])).predict([[2.0]])
    array([0.5])
    """

    _kind = DecisionTreeRegressor

    def __init__(
        self, *, max_depth=None, min_samples_leaf=10, max_leaf_nodes=None, random_state=None
    ):
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_leaf_nodes = max_leaf_nodes
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return leaves that suit the kit's forty runs."""
        return {"min_samples_leaf": 4}


class Forest(Ensemble, Many, _Leafy):
    r"""A random forest: trees of bootstrap samples, each split among a few of the inputs.

    The predictive distribution is that of the runs which share leaves with a point, weighted as in
    quantile regression forests (Meinshausen 2006). Runs are missing in about a third of the trees:
    `loo` predicts them from these.

    Parameters
    ----------
    n_estimators : int
        The number of trees. More are never worse, and cost time.
    max_features : float, int, "sqrt", "log2" or None
        Inputs that a split may choose from: a share, a number, or all.
    min_samples_leaf : int
        Runs in a leaf, at least. Larger ones give smoother distributions.
    max_depth, max_leaf_nodes : int or None
    n_jobs : int or None
        Threads that grow trees.
    random_state : int or None

    Notes
    -----
    Inputs that are NaN go where the split says that missing ones go. With declared noise, runs
    count by the inverse of what they scatter in all, and their distances from the mean are shrunk
    (``shrink_``, one factor an output) by what the noise adds on average.

    Outputs are standardised before trees are grown: several outputs count alike in a split.

    Of more than 256 runs that share leaves with a point, as many values of equal weight stand for
    all; the mean is that of all. Runs that share a leaf also differ because the leaf is wide: where
    few runs are noiseless, distributions are too wide.

    References
    ----------
    Breiman L. 2001, Machine Learning 45, 5, doi:10.1023/A:1010933404324

    Meinshausen N. 2006, Journal of Machine Learning Research 7, 983
    """

    _kind = DecisionTreeRegressor

    def __init__(
        self,
        *,
        n_estimators=200,
        max_features=0.7,
        min_samples_leaf=3,
        max_depth=None,
        max_leaf_nodes=None,
        n_jobs=None,
        random_state=None,
    ):
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return a few shallow trees."""
        return {"n_estimators": 20, "max_depth": 6}

    def predict_members(self, X):
        """Return every tree's mean, shape (T, m, p)."""
        return self._leaves.mean[self._nodes(self._validate_query(X))].swapaxes(0, 1)

    def loo(self):
        """Predict every run by the trees that have not drawn it.

        Returns
        -------
        Weighted
            Of n points.
        """
        return self._leaves.held_out()

    @property
    def oob_prediction_(self):
        """Out-of-bag means, shape (n, p)."""
        return self._leaves.held_out_mean()

    @property
    def oob_score_(self):
        """Share of the outputs' variance that out-of-bag means explain, averaged over outputs."""
        Y = self.values_
        error = ((Y - self.oob_prediction_) ** 2).mean(axis=0)
        return float(np.mean(1.0 - error / np.maximum(Y.var(axis=0), np.finfo(float).tiny)))


class ExtraTrees(Forest):
    """Extremely randomised trees: like a forest, but thresholds are drawn at random.

    They are faster to grow and differ more from each other. Every tree is of a bootstrap sample, so
    that there are out-of-bag predictions.

    Parameters
    ----------
    n_estimators, max_features, min_samples_leaf, max_depth, max_leaf_nodes, n_jobs, random_state
        As of `Forest`.

    References
    ----------
    Geurts P., Ernst D. & Wehenkel L. 2006, Machine Learning 63, 3, doi:10.1007/s10994-006-6226-1
    """

    _kind = ExtraTreeRegressor

    def __init__(
        self,
        *,
        n_estimators=200,
        max_features=1.0,
        min_samples_leaf=3,
        max_depth=None,
        max_leaf_nodes=None,
        n_jobs=None,
        random_state=None,
    ):
        super().__init__(
            n_estimators=n_estimators,
            max_features=max_features,
            min_samples_leaf=min_samples_leaf,
            max_depth=max_depth,
            max_leaf_nodes=max_leaf_nodes,
            n_jobs=n_jobs,
            random_state=random_state,
        )
