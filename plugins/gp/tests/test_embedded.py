"""Outputs share what an Embedder finds in them: its coordinates emulated, the rest in width."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import equatorium as eq
from equatorium.errors import InputError
from equatorium.testing.reference import ReferencePCA, lent
from equatorium_gp.trend_gp import TrendGP

OPTIONS = {"kernel": "rbf", "trend": "linear"}


class Logs(eq.Embedder):
    """Not linear: principal components of the logarithms."""

    capabilities = frozenset({"inverse"})

    def _fit(self, X, ivar):
        self.inner_ = ReferencePCA(n_components=2).fit(np.log(X))

    def _transform(self, X, ivar):
        return self.inner_.transform(np.log(X))

    def _inverse_transform(self, Z):
        return np.exp(self.inner_.inverse_transform(Z))

    def _inverse_jacobian(self, Z):
        return self._inverse_transform(Z)[:, :, None] * self.inner_._inverse_jacobian(Z)


def curves(n, seed):
    """Forty pixels of two smooth features, and small wiggles that differ from run to run."""
    rng = np.random.default_rng(seed)
    X, t = rng.random((n, 2)), np.linspace(0.0, 1.0, 40)
    first = np.sin(3 * X[:, :1]) * np.exp(-((t - 0.3) ** 2) / 0.02)
    second = np.cos(2 * X[:, 1:] + X[:, :1]) * np.exp(-((t - 0.6) ** 2) / 0.05)
    wiggles = 0.02 * rng.standard_normal((n, 40)) * (t > 0.5)
    return X, np.exp(first + second + wiggles)


@pytest.fixture(scope="module")
def runs():
    return *curves(60, 0), *curves(200, 1)


@pytest.mark.parametrize("embedder", [ReferencePCA(n_components=6), Logs()], ids=["linear", "not"])
def test_any_embedder_can_be_shared_with_what_it_leaves_out(embedder, runs):
    X, Y, query, truth = runs
    with lent():
        model = eq.emulator("embedded", embedder=embedder, emulator=TrendGP(**OPTIONS)).fit(X, Y)
        found = model.predict_dist(query)
    wiggly = np.arange(40) >= 20
    square = (truth - found.mean)[:, wiggly] ** 2
    assert 0.7 < (square / found.variance[:, wiggly]).mean() < 1.4
    assert 0.92 < (square < 1.96**2 * found.variance[:, wiggly]).mean() < 0.98
    # The wrong twin forgets what two coordinates cannot hold.
    carried = model.embedder_.inverse_dist(model.emulator_.predict_dist(query))
    assert (square / carried.variance[:, wiggly]).mean() > 2.0


def test_a_linear_one_is_emulated_scores_carried_back(runs):
    """By hand: numpy's principal components, the scores emulated, their covariance turned."""
    X, Y, query, _ = runs
    with lent():
        model = eq.emulator(
            "embedded", embedder=ReferencePCA(n_components=3), emulator=TrendGP(**OPTIONS)
        ).fit(X, Y)
        found = model.predict_dist(query)
    center = Y.mean(axis=0)
    W = np.linalg.svd(Y - center, full_matrices=False)[2][:3]
    scores = TrendGP(**OPTIONS).fit(X, (Y - center) @ W.T).predict_dist(query)
    assert_allclose(found.mean, center + scores.mean @ W, rtol=1e-6)
    total = W.T @ scores.covariance.dense() @ W + np.diag(model.truncation_)
    assert_allclose(found.covariance.dense(), total, rtol=1e-5, atol=1e-7 * total.max())


def test_an_embedder_as_sharing_is_told_where_to_go(runs):
    with pytest.raises(InputError, match="embedded"):
        TrendGP(sharing=ReferencePCA()).fit(*runs[:2])
