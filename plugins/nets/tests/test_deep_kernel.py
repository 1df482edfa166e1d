"""A process over a network's last hidden layer."""

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import InputError
from equatorium_nets.deep_kernel import DeepKernel
from equatorium_nets.mlp import MLP

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 2))
Y = np.column_stack([np.tanh(5 * X[:, 0] - 2 * X[:, 1]), X[:, 0] * X[:, 1]])
SMALL = {"layers": "dense(12) tanh", "n_members": 2, "epochs": 30, "random_state": 0}


class LeastSquares(eq.Emulator):
    """A line through the features."""

    capabilities = frozenset({"variance", "noise"})

    def _fit(self, X, Y, noise):
        self.coef_ = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), Y, rcond=None)[0]

    def _predict_dist(self, X):
        mean = self.coef_[0] + X @ self.coef_[1:]
        return eq.Gaussian(mean, eq.Diagonal(np.ones_like(mean)))


def test_features_are_what_the_last_layer_of_every_member_is_given():
    model = DeepKernel(MLP(**SMALL), LeastSquares()).fit(X, Y)
    hidden = model._hidden(X[:7])
    network = model.network_
    weight, bias = network.weights_["2.weight"], network.weights_["2.bias"]
    means = network.predict_members(X[:7])
    for k in range(2):
        out = hidden[:, 12 * k : 12 * k + 12] @ weight[k].T + bias[k]
        scaled = network.y_center_ + network.y_scale_ * out[:, 1:3]  # a weight, two means
        np.testing.assert_allclose(means[k], scaled, atol=1e-6)


def test_features_are_uncorrelated_and_a_line_through_all_is_no_worse_than_the_network():
    model = DeepKernel(MLP(**SMALL), LeastSquares(), n_features=24).fit(X, Y)
    features = (model._hidden(X) - model.center_) @ model.axes_
    np.testing.assert_allclose(features.T @ features / 300, np.eye(features.shape[1]), atol=1e-3)
    own = np.mean((model.predict(X) - Y) ** 2)
    assert own < np.mean((model.network_.predict(X) - Y) ** 2)
    few = DeepKernel(MLP(**SMALL), LeastSquares(), n_features=1).fit(X, Y)
    assert few.axes_.shape[1] == 1 and np.mean((few.predict(X) - Y) ** 2) > 2 * own


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"network": LeastSquares()}, "network must be a network such as mlp"),
        ({"network": MLP(layers="dense(9) dropout(0.2)", mc_dropout=3)}, "set mc_dropout=0"),
        ({"process": 3}, "must be an emulator"),
        ({"process": LeastSquares(), "n_features": 0}, "whole number from 1"),
        ({"network": {"name": "mlp"}}, "must be written"),
    ],
)
def test_parts_that_are_none_are_named(options, says):
    with pytest.raises(InputError, match=says):
        DeepKernel(**{"network": MLP(**SMALL), "process": LeastSquares(), **options}).fit(X, Y)


@pytest.mark.slow
def test_a_process_sees_more_than_the_network_whose_features_it_has():
    def steep(X):
        return np.tanh(8 * (X[:, 0] - 0.5 - 0.2 * X[:, 1])) + np.sin(3 * X[:, 2]) * X[:, 3]

    rng = np.random.default_rng(0)
    X, new = rng.random((10_000, 5)), rng.random((1000, 5))
    y = steep(X) + 0.05 * rng.normal(size=10_000)
    how = {"layers": "dense(64) silu dense(64) silu", "epochs": 20, "batch_size": 128}
    network = eq.network("mlp", n_members=1, random_state=0, **how)
    process = eq.emulator("sparse-gp", n_inducing=200, random_state=0)
    model = eq.emulator("deep-kernel", network=network, process=process).fit(X, y)
    prediction = model.predict_dist(new)
    error = prediction.mean[:, 0] - steep(new)
    alone = np.std(model.network_.predict(new) - steep(new))
    print(f"rms error {np.std(error):.4f}, of its network {alone:.4f}")
    assert np.std(error) < 0.8 * alone
    noisy = error + 0.05 * rng.normal(size=1000)
    assert 0.8 < np.mean(noisy**2 / prediction.variance[:, 0]) < 1.25
