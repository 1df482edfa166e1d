"""Measures of embeddings against scikit-learn and known answers; selections that must be found."""

import numpy as np
import pytest
from sklearn import manifold
from sklearn.datasets import load_digits

import equatorium as eq
from equatorium.errors import InputError


def test_measures_know_a_good_map_from_a_shuffled_one():
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(200, 2))
    X = Z @ rng.normal(size=(2, 6))
    shuffled = rng.permutation(Z)
    assert eq.trustworthiness(X, Z) > 0.9 and eq.continuity(X, Z) > 0.9
    assert eq.trustworthiness(X, shuffled) < 0.6 and eq.continuity(X, shuffled) < 0.6
    line = X[:, :1]  # neighbours on a line need not be neighbours in the plane, but the reverse
    theirs = manifold.trustworthiness(X, line, n_neighbors=5)
    assert eq.trustworthiness(X, line) == pytest.approx(theirs)
    assert eq.continuity(X, line) == pytest.approx(manifold.trustworthiness(line, X, n_neighbors=5))


def test_neighbourhood_hit_counts():
    Z = np.repeat(np.arange(4.0), 6)[:, None] * 100 + np.tile(np.arange(6.0), 4)[:, None]
    assert eq.neighbourhood_hit(Z, np.repeat(list("abcd"), 6)) == 1.0
    assert eq.neighbourhood_hit(Z, np.tile(list("ab"), 12)) == pytest.approx(0.4)
    with pytest.raises(InputError, match="n_neighbors"):
        eq.neighbourhood_hit(Z, np.zeros(24), n_neighbors=12)


@pytest.mark.parametrize("d", [2, 5])
def test_the_dimension_is_that_of_the_cloud(d):
    rng = np.random.default_rng(d)
    X = rng.random((2000, d)) @ np.linalg.qr(rng.normal(size=(20, d)))[0].T
    assert eq.intrinsic_dimension(X) == pytest.approx(d, abs=0.15 * d)


def test_digits_have_few_dimensions_and_shuffled_ones_many():
    # Facco et al. (2017) is the method; shuffling pixels per row leaves no manifold.
    X = load_digits().data
    shuffled = np.random.default_rng(3).permuted(X, axis=1)
    assert 5 < eq.intrinsic_dimension(X) < 15
    assert eq.intrinsic_dimension(shuffled) > 25


V = np.random.default_rng(4).normal(size=(2, 30))


class TrueMap(eq.Embedder):
    """Weighted least squares on components that are known; nothing is learned."""

    capabilities = frozenset({"noise", "missing", "inverse"})

    def __init__(self, *, k=2):
        self.k = k

    def _fit(self, X, ivar):
        pass

    def _transform(self, X, ivar):
        W = V[: self.k]
        A = np.einsum("kp,np,lp->nkl", W, ivar, W)
        return np.linalg.solve(A, ((ivar * X) @ W.T)[..., None])[..., 0]

    def _inverse_transform(self, Z):
        return Z @ V[: self.k]


def test_hidden_pixels_of_a_true_model_have_chi_squared_one():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 2)) @ V
    Y, ivar = X + 0.1 * rng.normal(size=X.shape), np.full(X.shape, 100.0)
    # About 1 + 2 / 27, for the error of two coordinates from 27 pixels.
    assert eq.hidden_chi2(TrueMap(), Y, ivar) == pytest.approx(1.08, abs=0.1)
    assert eq.hidden_chi2(TrueMap(), Y, 4 * ivar) > 3  # errors declared half as large
    assert eq.hidden_chi2(TrueMap(k=1), Y, ivar) > 10
    with pytest.raises(InputError, match="cannot leave pixels out"):
        eq.hidden_chi2(Blind(), Y)


class Blind(TrueMap):
    capabilities = frozenset({"inverse"})


def test_a_comparison_ranks_and_explains():
    from equatorium.testing.reference import ReferencePCA

    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    found = eq.compare_embedders(
        {f"pca {k}": ReferencePCA(n_components=k) for k in (2, 12)}, X, labels=y
    )
    few, many = found["pca 2"], found["pca 12"]
    assert many.accuracy > 0.9 > few.accuracy and many.unexplained < 0.35 < few.unexplained
    assert many.trustworthiness > few.trustworthiness and many.hit > few.hit
    assert found.held.sum() == 100 and few.Z.shape == (400, 2)
    assert "k-NN acc." in str(found) and len(str(found).splitlines()) == 3
    gappy = X.copy()
    gappy[3, 7] = np.nan
    said = str(eq.compare_embedders([Blind()], gappy))
    assert "Input X contains NaN" in said
    figure = eq.plots.compared_embeddings(found)
    assert [a.get_title().split("\n")[0] for a in figure.axes] == ["pca 2", "pca 12"]


def made_spectra(rng, n=2000, share=0.01, p=300):
    """Absorption lines whose depth falls with temperature; the rare are poor in metals."""
    wave = np.linspace(0, 1, p)
    centres, of_metal = rng.random(25), np.arange(25) < 20
    temperature, metals = rng.uniform(-1, 1, n), rng.normal(0.0, 0.25, n)
    rare = np.arange(n) < share * n
    metals[rare] = rng.normal(-2.0, 0.3, rare.sum())
    depth = 0.15 * np.exp(
        of_metal * metals[:, None] + 0.5 * rng.normal(size=25) * temperature[:, None]
    )
    lines = np.exp(-0.5 * ((wave - centres[:, None]) / 0.006) ** 2)
    return 1 + 0.2 * np.outer(temperature, wave - 0.5) - depth @ lines, rare


def test_few_examples_find_the_rest_of_their_kind():
    rng = np.random.default_rng(5)
    X, rare = made_spectra(rng, n=4000)
    Y = X + 0.02 * rng.normal(size=X.shape)
    Z = np.linalg.svd(Y - Y.mean(axis=0), full_matrices=False)[0][:, :8]
    examples = np.flatnonzero(rare)[:20]
    ranking = eq.rank_like(Z, examples, rng=1)
    rest = ranking.order[~np.isin(ranking.order, examples)]
    right = np.cumsum(rare[rest])
    purity, recovery = right / np.arange(1, len(rest) + 1), right / right[-1]
    assert right[-1] == 20 and purity[recovery >= 0.8][0] >= 0.5
    twin = eq.rank_like(Z, rng.choice(np.flatnonzero(~rare), 20), rng=1)  # examples of nothing
    assert twin.purity_and_recovery(rare)[0][40] < 0.5


def test_the_unusual_come_first():
    rng = np.random.default_rng(6)
    Z = rng.normal(size=(500, 3))
    Z[:5] += 8.0 * np.eye(3)[[0, 1, 2, 0, 1]] * [[1], [1], [1], [-1], [-1]]
    chi2 = rng.chisquare(100, 500) / 100
    chi2[7] = 20.0
    assert set(eq.rank_unusual(Z).order[:5]) == set(range(5))
    assert set(eq.rank_unusual(Z, chi2).order[:6]) == {0, 1, 2, 3, 4, 7}


@pytest.mark.parametrize("examples", [[1, 2], [0.5], [1000, 1, 2, 3, 4], "x"])
def test_bad_examples_are_named(examples):
    with pytest.raises(InputError, match=r"example|indices"):
        eq.rank_like(np.random.default_rng(0).normal(size=(50, 2)), examples)


def test_a_map_marks_rows_and_draws_their_spectra():
    rng = np.random.default_rng(7)
    Z, S = rng.normal(size=(30, 2)), rng.random((30, 9))
    figure = eq.plots.embedding_map(Z, np.arange(30.0), label="Teff", spectra=S, select=[3, 5])
    points, lines = figure.axes[0].collections[0], figure.axes[1].lines
    np.testing.assert_allclose(points.get_offsets(), Z)
    assert points.pickable() and len(lines) == 2
    np.testing.assert_allclose(lines[0].get_ydata(), S[3])
    named = eq.plots.embedding_map(Z, np.repeat(list("ab"), 15))
    assert [t.get_text() for t in named.legends[0].get_texts()] == ["a", "b"]
    with pytest.raises(InputError, match="rows from 0"):
        eq.plots.embedding_map(Z, select=[30])
