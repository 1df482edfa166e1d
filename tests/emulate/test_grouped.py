"""Composites that are told of groups ask no part about a group that it has seen."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import equatorium as eq
from equatorium.emulate.folds import deal, group_labels
from equatorium.errors import InputError, ShapeError

SEEN = []  # groups that parts were asked about after they had learned from them


class Jealous(eq.Emulator):
    """Notes it down when it is asked about a group, the first input, that it knows."""

    def _fit(self, X, Y, noise):
        self.known_, self.mean_ = np.unique(X[:, 0]), Y.mean(axis=0)

    def _predict_dist(self, X):
        SEEN.extend(np.intersect1d(X[:, 0], self.known_))
        return eq.Gaussian(np.tile(self.mean_, (len(X), 1)), eq.Diagonal(np.ones((len(X), 1))))


class JealousEmbedder(eq.Embedder):
    """The same of the first column of its rows, on the way back."""

    def _fit(self, X, ivar):
        self.known_ = np.unique(X[:, 0])

    def _transform(self, X, ivar):
        return X[:, :1]

    def _inverse_transform(self, Z):
        SEEN.extend(np.intersect1d(Z[:, 0], self.known_))
        return np.repeat(Z, 2, axis=1)


def stars(n, each, seed=0):
    """Several spectra of every star: what is odd of a star they all share."""
    rng = np.random.default_rng(seed)
    star = rng.permutation(np.repeat(np.arange(n), each))
    position = rng.uniform(-1, 1, (n, 2))[star] + 1e-3 * rng.standard_normal((n * each, 2))
    return position, position[:, 0] + 0.3 * rng.standard_normal(n)[star], star


ALONE = [
    eq.Conformal(Jealous()),
    eq.SplitConformal(Jealous()),
    eq.SplitConformal(Jealous(), scale=Jealous()),
    eq.Committee([Jealous(), Jealous()]),
]
NESTED = [
    eq.Conformal(eq.Committee([Jealous(), Jealous()])),
    eq.Committee([eq.Conformal(Jealous()), eq.SplitConformal(Jealous())], rule="average"),
    eq.NoisyInputs(eq.Conformal(Jealous())),
]


@pytest.mark.parametrize("model", ALONE + NESTED)
def test_no_part_is_asked_about_a_group_that_it_has_seen(model):
    _, y, star = stars(20, 3)
    X = np.column_stack([star, y])
    SEEN.clear()
    model.fit(X, y, groups=star)
    assert not SEEN
    model.fit(X, y)
    assert SEEN  # the wrong twin


def test_what_an_embedder_leaves_out_is_of_groups_that_it_has_not_seen():
    X, _, star = stars(20, 3)
    Y = np.column_stack([star, star])
    SEEN.clear()
    model = eq.Embedded(JealousEmbedder(), eq.Conformal(Ridge())).fit(X, Y, groups=star)
    assert not SEEN
    model.fit(X, Y)
    assert SEEN


@pytest.mark.parametrize(
    "model",
    [
        eq.Committee([Jealous(), Jealous()]),
        eq.Conformal(make_pipeline(StandardScaler(), eq.Conformal(Jealous()))),
        make_pipeline(StandardScaler(), eq.Conformal(Jealous())),
    ],
)
def test_a_comparison_tells_all_of_the_groups(model):
    _, y, star = stars(30, 3)
    X = np.column_stack([star, y])
    names = np.array([f"star {s}" for s in star], dtype=object)
    SEEN.clear()
    found = eq.compare({"it": model}, (X, y), groups=pd.Series(names), simple=False, scores="rmse")
    assert "it" in found.held and not SEEN
    eq.compare({"it": model}, (X, y), simple=False, scores="rmse")
    assert SEEN


def test_held_out_groups_promise_for_new_groups():
    """Neighbours overfit the star that they have seen; a single rank is too little for a group."""
    level, hits = 0.8, {True: 0, False: 0}
    for seed in range(60):
        X, y, star = stars(60, 5, seed)
        fresh, truth, _ = stars(60, 1, 1000 + seed)
        for told in hits:
            model = eq.SplitConformal(KNeighborsRegressor(5))
            model.fit(X, y, groups=star if told else None)
            low, high = model.predict_dist(fresh).quantile([0.1, 0.9])[..., 0]
            hits[told] += int(((low <= truth) & (truth <= high)).sum())
    assert level * 3600 < hits[True] < 0.95 * 3600
    assert hits[False] < 0.7 * 3600


def test_without_groups_every_run_is_its_own():
    X, y, _ = stars(40, 1)
    for model in (eq.Conformal(Ridge()), eq.SplitConformal(Ridge(), scale=Ridge())):
        plain = model.fit(X, y).predict_dist(X).quantile(0.9)
        assert len(model.residuals_) in (10, 40)
        if isinstance(model, eq.SplitConformal):
            assert_allclose(
                model.fit(X, y, groups=np.arange(40)).predict_dist(X).quantile(0.9), plain
            )


def test_the_order_of_runs_and_the_kind_of_labels_mean_nothing():
    X, y, star = stars(12, 4)
    turn = np.random.default_rng(1).permutation(48)
    names = np.char.mod("star %02d", star)
    expected = np.sort(eq.Conformal(LinearRegression()).fit(X, y, groups=star).residuals_, axis=0)
    for groups in (star, star - 0.5, names, names.astype(object), star.astype("M8[D]")):
        model = eq.Conformal(LinearRegression()).fit(X[turn], y[turn], groups=list(groups[turn]))
        assert_allclose(np.sort(model.residuals_, axis=0), expected, rtol=1e-9)
    few = deal(48, "a test", star % 3)
    assert few.max() == 2 and all(len(set(few[star % 3 == g])) == 1 for g in range(3))


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (np.array([0.0, np.nan, 1.0, 1.0]), "row 1 has none"),
        (np.array(["2001-01-01", "2001-01-01", "NaT", "2002-01-01"], "M8[D]"), "row 2 has none"),
        (np.array(["a", None, "b", "b"], dtype=object), "labels of one kind"),
        (pd.Series(["a", pd.NA, "b", "b"], dtype="string"), "labels of one kind"),
    ],
)
def test_labels_that_are_none(groups, text):
    with pytest.raises(InputError, match=text):
        group_labels(groups, 4)
    with pytest.raises(InputError, match=text):
        eq.Committee([Jealous(), Jealous()]).fit(np.ones((4, 1)), np.arange(4.0), groups=groups)
    with pytest.raises(InputError, match=text):
        eq.compare(Ridge(), (np.ones((4, 1)), np.arange(4.0)), groups=groups, cv=[([0], [1])])


def test_too_few_groups_are_refused():
    X, y, _ = stars(10, 1)
    one = np.zeros(10)
    for model in (eq.SplitConformal(Ridge()), eq.Committee([Jealous(), Jealous()])):
        with pytest.raises(InputError, match="needs at least 2"):
            model.fit(X, y, groups=one)
        with pytest.raises(ShapeError, match=r"each of 10 rows, not \(10, 1\)"):
            model.fit(X, y, groups=one[:, None])
    with pytest.raises(InputError, match="cv does not give folds"):
        eq.compare(Ridge(), (X, y), groups=np.arange(10) % 3)
