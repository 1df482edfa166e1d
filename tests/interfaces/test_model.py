"""State: what a fitted model is made of, and what it refuses to become."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

import equatorium as eq
from equatorium import Diagonal, Emulator, Gaussian, errors, registry
from equatorium.interfaces.model import state_array


class Nearest(Emulator):
    """The nearest run."""

    state_version = 2

    def __init__(self, *, extra=False):
        self.extra = extra

    def _fit(self, X, Y, noise):
        self.X_, self.Y_ = X, Y
        if self.extra:
            self.extra_ = 1

    def _predict_dist(self, X):
        nearest = np.argmin(((X[:, None] - self.X_) ** 2).sum(-1), axis=1)
        return Gaussian(self.Y_[nearest], Diagonal(np.ones((len(X), self.Y_.shape[1]))))

    @classmethod
    def migrate(cls, state, version):
        if version == 1:
            return {**state, "X_": state["X_"] / 2}
        return super().migrate(state, version)


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


@pytest.fixture
def fitted():
    rng = np.random.default_rng(0)
    return Nearest().fit(rng.normal(size=(9, 2)), rng.normal(size=9))


def test_the_state_is_all_that_was_learned(fitted):
    assert set(fitted.get_state()) == {"X_", "Y_", "n_features_in_", "n_outputs_", "y_ndim_"}
    other = Nearest().set_state(fitted.get_state())
    assert_array_equal(other.predict(fitted.X_), fitted.predict(fitted.X_))
    assert Nearest().get_state() == {}


def test_an_unfitted_model_says_so():
    with pytest.raises(NotFittedError, match="not fitted"):
        Nearest().predict(np.zeros((1, 2)))


def test_a_second_fit_does_not_see_the_first(fitted):
    model = Nearest(extra=True).fit(fitted.X_, fitted.Y_)
    assert model.extra_ == 1
    model.extra = False
    assert not hasattr(model.fit(fitted.X_, fitted.Y_), "extra_")


def test_setting_a_state_replaces_the_old_one(fitted):
    full = Nearest(extra=True).fit(fitted.X_, fitted.Y_)
    full.set_state(fitted.get_state())
    assert not hasattr(full, "extra_")
    with pytest.raises(NotFittedError):
        check_is_fitted(full.set_state({}))


@pytest.mark.parametrize(
    "state", [{"X": 1}, {"capabilities_": 1}, {"_secret_": 1}, {"X_": np.zeros(2)}]
)
def test_a_state_of_something_else_is_refused(state):
    with pytest.raises(errors.StateError, match="Nearest"):
        Nearest().set_state(state)


def test_clone_and_params(fitted):
    assert clone(Nearest(extra=True)).get_params() == {"extra": True}
    assert not hasattr(clone(fitted), "X_")


def test_capabilities_come_from_the_registration(fitted):
    assert fitted.capabilities_ == {"variance"}
    registry.register("emulator", Nearest, name="nearest-run", capabilities={"variance", "restart"})
    assert fitted.capabilities_ == {"variance", "restart"}


def test_an_older_state_is_migrated_and_a_newer_one_refused(fitted, tmp_path, monkeypatch):
    registry.register("emulator", Nearest, name="nearest-run")
    monkeypatch.setattr(Nearest, "state_version", 1)
    fitted.save(tmp_path / "m.h5")
    monkeypatch.setattr(Nearest, "state_version", 2)
    assert_array_equal(eq.load(tmp_path / "m.h5").X_, fitted.X_ / 2)
    fitted.save(tmp_path / "m.h5")
    monkeypatch.setattr(Nearest, "state_version", 1)
    with pytest.raises(errors.FileFormatError, match=r"version 2; the one installed reads up to 1"):
        eq.load(tmp_path / "m.h5")


def test_no_migration_unless_a_class_knows_how():
    with pytest.raises(errors.StateError, match="cannot read its state of version 0"):
        Nearest.migrate({}, 0)


def test_state_array():
    state = {"a": np.ones((2, 3)), "nan": np.array([np.nan]), "i": np.arange(3), "s": "text"}
    assert state_array(state, "a", (2, None)) is state["a"]
    assert state_array(state, "i", (3,), kinds="iu") is state["i"]
    for name, shape in (("a", (3, 3)), ("a", (2,)), ("nan", (1,)), ("i", (3,)), ("s", ())):
        with pytest.raises(errors.StateError, match=f"'{name}'"):
            state_array(state, name, shape)
    with pytest.raises(errors.StateError, match="'gone'"):
        state_array(state, "gone", (1,))


class Halfway:
    """A fit that fails after it has learned something."""

    def _fit(self, X, *given):
        self.coef_ = X.mean(axis=0)
        if self.fails:
            raise InterruptedError

    fails = False


class HalfEmulator(Halfway, Emulator):
    def _predict_dist(self, X):
        return Gaussian(X @ self.coef_[:, None], Diagonal(np.ones((len(X), 1))))


class HalfClassifier(Halfway, eq.Classifier):
    def _predict_proba(self, X):
        return np.tile(0.5, (len(X), 2))


class HalfEmbedder(Halfway, eq.Embedder):
    def _transform(self, X, ivar=None):
        return X @ self.coef_[:, None]


@pytest.mark.parametrize("half", [HalfEmulator, HalfClassifier, HalfEmbedder])
def test_a_fit_that_fails_leaves_nothing_that_looks_learned(half):
    X, y = np.random.default_rng(0).random((10, 2)), np.arange(10) % 2
    model = half().fit(X, y)
    check_is_fitted(model)
    model.fails = True
    with pytest.raises(InterruptedError):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
