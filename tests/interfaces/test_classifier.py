"""A classifier of a few lines keeps the contract."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from equatorium import Categorical, Classifier, errors


class Bayes(Classifier):
    """Gaussian naive Bayes: all that a third party writes."""

    def _fit(self, X, codes):
        classes = range(codes.max() + 1)
        self.mean_ = np.array([X[codes == c].mean(axis=0) for c in classes])
        floor = 1e-9 * X.var(axis=0).max()
        self.var_ = np.array([X[codes == c].var(axis=0) for c in classes]) + floor
        self.log_prior_ = np.log(np.bincount(codes) / len(codes))

    def _predict_proba(self, X):
        z = (X[:, None] - self.mean_) ** 2 / self.var_ + np.log(self.var_)
        log_p = self.log_prior_ - 0.5 * z.sum(axis=-1)
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)


@parametrize_with_checks([Bayes()])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("labels", [[3, 1, 7], ["spiral", "elliptical", "irregular"]])
def test_it_is_the_naive_bayes_of_scikit_learn(labels):
    rng = np.random.default_rng(2)
    codes = rng.integers(3, size=90)
    X, y = rng.normal(size=(90, 2)) + codes[:, None], np.array(labels)[codes]
    ours, theirs = Bayes().fit(X, y), GaussianNB().fit(X, y)
    assert_array_equal(ours.classes_, theirs.classes_)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9, atol=1e-15)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    prediction = ours.predict_dist(X)
    assert isinstance(prediction, Categorical)
    assert_array_equal(prediction.predicted, ours.predict(X))


def test_measurements_are_no_labels():
    with pytest.raises(errors.InputError, match="Unknown label type"):
        Bayes().fit(np.eye(3), [0.5, 1.7, 2.1])


_DATES = np.array(["2025", "2026"], "M8[Y]")


@pytest.mark.parametrize(
    "wrong", [["a", None], [None, "a"], ["a", 1], [1, None], [b"a", b"b"], _DATES]
)
def test_labels_that_are_missing_or_of_several_kinds_are_refused(wrong):
    y = np.tile(wrong if isinstance(wrong, np.ndarray) else np.array(wrong, dtype=object), 2)
    with pytest.raises(errors.InputError, match="leave out rows without one"):
        Bayes().fit(np.arange(2.0 * len(y)).reshape(-1, 2), y)


def test_missing_values_of_pandas_are_refused():
    pd = pytest.importorskip("pandas")
    X, gap = np.eye(3), np.array([[0, 1, pd.NA]] * 3, dtype=object)
    for y in (["a", pd.NA, "b"], pd.array(["a", pd.NA, "b"], dtype="string")):
        with pytest.raises(errors.InputError, match=r"pandas\.NA: leave out their rows"):
            Bayes().fit(X, y)
    with pytest.raises(errors.InputError, match=r"X has missing values that are pandas\.NA"):
        Bayes().fit(X, ["a", "b", "b"]).predict(gap)
    with pytest.raises(TypeError):  # whatever else scikit-learn refuses by type
        Bayes().fit(sparse.csr_array(X), ["a", "b", "b"])
