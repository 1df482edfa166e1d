"""Inputs: their units, their errors, and files that stay on disk."""

import h5py
import numpy as np
import pytest

from equatorium.errors import InputError, NotFiniteError, ShapeError
from equatorium_nets import examples as home
from equatorium_nets.augment import augmentation
from equatorium_nets.examples import examples, input_units
from equatorium_nets.fitting import held_out, output_units
from equatorium_nets.mlp import MLP, MLPClassifier

RNG = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "inputs.h5", "w") as opened:
        yield opened


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(home, "_PIECE", 3 * 10)  # ten rows of three
    monkeypatch.setattr(home, "_PIECES", 4)


def test_a_dataset_has_the_units_and_rows_of_its_array(file, small_pieces):
    X = 1e3 + RNG.normal(size=(95, 3)) * [1.0, 10.0, 1e-3]
    fit, held = held_out(95, 0.2, np.random.default_rng(1))
    stored, array = (examples(x, fit) for x in (file.create_dataset("X", data=X), X))
    for rows in (stored, array):
        rows.center, rows.scale = input_units(rows.learned(), (3,))
    np.testing.assert_allclose(stored.center, X[fit].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(stored.scale, X[fit].std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(stored.take(held), array.take(held), atol=1e-6)
    blocks = list(stored.blocks(np.random.default_rng(2)))
    assert len(blocks) == 3  # ten pieces, four at a time
    rows = np.concatenate([numbers for numbers, _ in blocks])
    assert sorted(rows) == sorted(fit)
    assert not (np.diff(rows) > 0).all()
    np.testing.assert_allclose(
        np.concatenate([x for _, x in blocks]), array.take(rows), rtol=1e-5, atol=1e-6
    )


def test_channels_share_a_unit(file, small_pieces):
    X = RNG.normal(size=(40, 8)) + np.repeat([0.0, 5.0], 4)
    fit = np.arange(40)
    for inputs in (X, file.create_dataset("X", data=X)):
        center, scale = input_units(examples(inputs, fit).learned(), (2, 2, 2))
        each = X.reshape(40, 2, 4)
        np.testing.assert_allclose(center[::4], each.mean(axis=(0, 2)))
        np.testing.assert_allclose(scale[::4], each.std(axis=(0, 2)))


def test_networks_learn_from_a_file_what_they_learn_from_memory(file, small_pieces):
    X = RNG.uniform(-1.0, 1.0, (400, 3))
    y = np.sign(X[:, 0]) * (X[:, 1] > 0)
    order = np.argsort(y)  # one class after the other: the worst of files
    X, y = X[order], y[order]
    dataset = file.create_dataset("X", data=X.astype(np.float32))
    how = {"layers": "dense(16) tanh", "n_members": 2, "epochs": 60, "random_state": 0}
    model = MLPClassifier(**how, learning_rate=0.02).fit(dataset, y)
    assert model.n_features_in_ == 3
    assert (model.predict(X) == y).mean() > 0.95
    alone = MLPClassifier(**{**how, "n_members": 1}, learning_rate=0.02).fit(dataset, y)
    np.testing.assert_allclose(
        model.predict_members(X[:9])[0], alone.members_[0].predict_proba(X[:9]), atol=0.1
    )
    emulator = MLP(**how).fit(dataset, X[:, 0] + X[:, 2])
    assert np.std(emulator.predict(X) - X[:, 0] - X[:, 2]) < 0.1


def test_a_file_is_never_read_as_a_whole(file, small_pieces, monkeypatch):
    X = file.create_dataset("X", data=RNG.normal(size=(95, 3)))
    read, largest = h5py.Dataset.__getitem__, []

    def counted(self, place):
        found = read(self, place)
        largest.append(np.size(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    MLP(layers="dense(4) tanh", n_members=1, epochs=2, random_state=0).fit(X, np.arange(95.0))
    assert 0 < max(largest) <= 30


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (np.full((20, 3), np.nan), NotFiniteError, "row 0 of the dataset /X"),
        (np.zeros((20, 3, 2)), ShapeError, "must be 2-D"),
        (np.zeros((20, 3), dtype=complex), InputError, "real numbers"),
        (np.zeros((19, 3)), InputError, "inconsistent numbers"),
    ],
)
def test_a_dataset_that_is_no_table_is_named(file, values, error, says):
    with pytest.raises(error, match=says):
        MLP(n_members=1, epochs=1).fit(file.create_dataset("X", data=values), np.zeros(20))


def test_a_dataset_of_a_closed_file_is_named(file):
    dataset = file.create_dataset("X", data=np.zeros((3, 2)))
    file.close()
    with pytest.raises(InputError, match="is closed"):
        MLP(n_members=1, epochs=1).fit(dataset, np.zeros(3))


def test_what_is_constant_but_for_rounding_has_the_unit_one():
    X = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    assert X[:, 0].std() > 0  # by rounding
    assert input_units([X], (2,))[1][0] == 1.0
    assert output_units(X)[1][0] == 1.0


def test_every_class_keeps_an_example_to_learn_from():
    for seed in range(20):
        codes = np.array([0] * 30 + [1, 2, 3, 4])
        fit, held = held_out(34, 0.3, np.random.default_rng(seed), codes)
        assert set(codes[fit]) == {0, 1, 2, 3, 4}
        assert sorted([*fit, *held]) == list(range(34))


def test_inputs_are_resampled_by_their_errors():
    X = RNG.normal(size=(4, 3))
    ivar = np.array([[4.0, 1.0, 0.0]] * 4)  # the last is not observed
    rows = examples(X, np.arange(4))
    rows.scale = X.std(axis=0)
    rows.with_errors(ivar)
    change = augmentation({"errors": 2.0}, (3,), known_errors=True)
    x = np.zeros((20000, 3), dtype=np.float32)
    torch = pytest.importorskip("torch")
    errors = torch.from_numpy(np.repeat(rows.errors[:1], 20000, axis=0))
    drawn = change(torch.from_numpy(x), np.random.default_rng(3), errors)[0].numpy()
    assert (drawn[:, 2] == 0).all()
    truth = 2.0 * np.array([0.5, 1.0]) / X.std(axis=0)[:2]
    np.testing.assert_allclose(drawn[:, :2].std(axis=0), truth, rtol=0.03)


def test_errors_go_where_their_pixels_go():
    torch = pytest.importorskip("torch")
    x = torch.arange(1.0, 33.0).reshape(2, 16)
    change = augmentation({"rotate": 1, "flip": 0.5, "shift": 1}, (1, 4, 4), known_errors=True)
    moved, errors = change(x, np.random.default_rng(0), 100.0 * x)
    assert not moved.equal(x)
    assert errors.equal(100.0 * moved)


def test_an_error_beyond_single_precision_is_vast():
    rows = examples(RNG.normal(size=(4, 3)), np.arange(4))
    rows.with_errors(np.full(3, 1e-300))
    assert np.isfinite(rows.errors).all()


def test_a_column_of_errors_is_leant_on_less_when_inputs_are_resampled():
    """Of two copies of the truth, the one with large errors is worth nothing."""
    truth = RNG.normal(size=(600, 1))
    X = np.hstack([truth, truth])  # as if both had been measured exactly
    std = np.array([0.05, 3.0])
    how = {"layers": "dense(16) tanh", "n_members": 2, "epochs": 25, "random_state": 0}
    noisy = truth + std * RNG.normal(size=(600, 2))
    scores = []
    for augment in ({"errors": 1.0}, None):
        model = MLP(**how, augment=augment).fit(X, truth[:, 0], ivar=1.0 / std**2)
        scores.append(np.std(model.predict(noisy) - truth[:, 0]))
    assert scores[0] < 0.2 < 0.5 < scores[1]


def test_errors_must_fit():
    X, y = np.zeros((20, 2)) + np.arange(20.0)[:, None], np.arange(20.0)
    model = MLP(n_members=1, epochs=1)
    with pytest.raises(ShapeError, match=r"ivar must have shape \(20, 2\) or \(2,\)"):
        model.fit(X, y, ivar=np.ones(20))
    with pytest.raises(InputError, match="not negative"):
        model.fit(X, y, ivar=-np.ones(2))
    with pytest.raises(InputError, match="needs the errors of the inputs"):
        MLP(n_members=1, epochs=1, augment={"errors": 1.0}).fit(X, y)
