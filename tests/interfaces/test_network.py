"""The mixin of methods trained by gradient."""

import numpy as np
import pytest

from equatorium import Diagonal, Emulator, Gaussian, Network


class Descent(Network, Emulator):
    """Linear regression by gradient descent."""

    def __init__(self, *, epochs=300, device="cpu"):
        self.epochs = epochs
        self.device = device

    def _fit(self, X, Y, noise):
        self.module_ = np.zeros((X.shape[1], Y.shape[1]))
        losses = []
        for _ in range(self.epochs):
            residual = X @ self.module_ - Y
            losses.append(float(np.mean(residual**2)))
            self.module_ = self.module_ - 0.1 * X.T @ residual / len(X)
        self.history_ = {"loss": np.array(losses)}

    def _predict_dist(self, X):
        mean = X @ self.module_
        return Gaussian(mean, Diagonal(np.full_like(mean, self.history_["loss"][-1])))

    def to_device(self, device):
        self.device = device
        return self


def test_history():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    model = Descent().fit(X, X @ [1.0, -2.0])
    np.testing.assert_allclose(model.predict(np.eye(2)), [1.0, -2.0], atol=1e-5)
    assert model.best_epoch() == 299
    model.history_["validation_loss"] = np.array([3.0, np.nan, 1.0, 2.0])
    assert model.best_epoch() == 2


def test_it_needs_to_device():
    class Half(Network):
        pass

    with pytest.raises(TypeError, match="to_device"):
        Half()
