"""All examples at once: the weights are a minimum of the loss, which others find too."""

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPRegressor

import equatorium as eq
from equatorium.errors import InputError
from equatorium_nets.mlp import MLP, MLPClassifier

HOW = {
    "optimiser": "lbfgs",
    "head": "mse",
    "layers": "dense(8) tanh",
    "n_members": 3,
    "epochs": 30,
    "random_state": 0,
}


def runs(n=150, seed=0):
    X = np.random.default_rng(seed).random((n, 3))
    return X, np.column_stack([np.sin(4 * X[:, 0]) + X[:, 1] ** 2, X[:, 0] * X[:, 2]])


def rms(model, n=500):
    X, Y = runs(n, seed=9)
    return np.sqrt(np.mean((model.predict(X) - Y) ** 2))


def slope_at(model, X, Y, decay):
    """Gradient of the penalised loss at the weights found, by plain PyTorch."""
    x = torch.from_numpy((X - model.x_center_) / model.x_scale_)
    y = torch.from_numpy((Y - model.y_center_) / model.y_scale_)
    w = {n: torch.from_numpy(a[0]).double().requires_grad_() for n, a in model.weights_.items()}
    hidden = torch.tanh(x @ w["0.weight"].T + w["0.bias"])
    error = hidden @ w["2.weight"].T + w["2.bias"] - y
    loss = 0.5 * (error**2).sum(dim=1).mean()
    loss = loss + 0.5 * decay / len(X) * sum((w[f"{i}.weight"] ** 2).sum() for i in (0, 2))
    return max(float(g.abs().max()) for g in torch.autograd.grad(loss, list(w.values())))


@pytest.mark.parametrize("decay", [0.01, 1.0])
def test_it_ends_where_the_loss_is_flat(decay):
    X, Y = runs()
    how = {**HOW, "n_members": 1, "validation": 0.0, "epochs": 300}
    model = MLP(**how, decay=decay).fit(X, Y)
    assert slope_at(model, X, Y, decay) < 1e-3
    assert slope_at(model, X, Y, 10 * decay) > 1e-3  # another penalty has another minimum


def test_as_accurate_as_scikit_learn_and_more_than_batches():
    X, Y = runs()
    ours = MLP(**{**HOW, "epochs": 60}, validation=0.1).fit(X, Y)
    theirs = [
        MLPRegressor(
            hidden_layer_sizes=(8,), activation="tanh", solver="lbfgs", alpha=0.005, max_iter=600
        )
        .set_params(random_state=k)
        .fit(X, Y)
        for k in range(3)
    ]
    X_new, Y_new = runs(500, seed=9)
    mean = np.mean([t.predict(X_new) for t in theirs], axis=0)
    assert rms(ours) < 2.0 * np.sqrt(np.mean((mean - Y_new) ** 2))
    assert rms(ours) < 0.5 * rms(MLP(**{**HOW, "optimiser": "adamw"}).fit(X, Y))


def test_the_answer_is_calibrated_on_what_is_held_out():
    model = MLP(**HOW).fit(*runs(200))
    X, Y = runs(500, seed=9)
    z2 = np.mean((Y - model.predict(X)) ** 2 / model.predict_dist(X).variance)
    assert 0.2 < z2 < 3.0
    assert len(model.history_["loss"]) == len(model.history_["validation_loss"]) <= 30
    assert model.history_["loss"][-1] < 0.01 * model.history_["loss"][0]


def test_members_and_files_are_those_of_any_network(tmp_path):
    X, Y = runs(60)
    model = MLP(**{**HOW, "epochs": 5}).fit(X, Y)
    alone = MLP(**{**HOW, "epochs": 5, "n_members": 1}).fit(X, Y)
    for name, weights in alone.weights_.items():
        np.testing.assert_array_equal(model.weights_[name][:1], weights)
    model.save(tmp_path / "model.h5")
    np.testing.assert_array_equal(eq.load(tmp_path / "model.h5").predict(X), model.predict(X))


def test_classifiers_too():
    X, _ = runs(150)
    labels = np.where(X[:, 0] + X[:, 1] > 1, "high", "low")
    how = {k: v for k, v in HOW.items() if k != "head"}
    model = MLPClassifier(**{**how, "epochs": 10}, decay=0.1).fit(X, labels)
    X_new, _ = runs(300, seed=3)
    right = np.where(X_new[:, 0] + X_new[:, 1] > 1, "high", "low")
    assert np.mean(model.predict(X_new) == right) > 0.9


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"sparsity": 0.1}, "sparsity=0.1"),
        ({"augment": {"noise": 0.1}}, "augment="),
        ({"layers": "dense(8) tanh dropout(0.2)"}, "dropout"),
        ({"checkpoint": "x.h5"}, "checkpoint="),
        ({"optimiser": "newton"}, "adamw, lbfgs"),
    ],
)
def test_what_is_no_smooth_loss_is_refused(more, named):
    with pytest.raises(InputError, match=named):
        MLP(**{**HOW, **more}).fit(*runs(30))
