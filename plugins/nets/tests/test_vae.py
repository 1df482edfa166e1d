"""The autoencoder against principal components, exact posteriors, and a sheet that is known."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2, multivariate_normal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

import equatorium as eq
from equatorium.errors import InputError, ShapeError, StateError
from equatorium_nets.fitting import held_out, seeds_of
from equatorium_nets.hiding import hiding
from equatorium_nets.linear_start import linear_start
from equatorium_nets.vae import VAE

FAST = {"epochs": 40, "learning_rate": 3e-3, "patience": 10, "random_state": 0}


def plane(rng, n, p=20, k=3, scatter=0.3):
    W = rng.normal(size=(k, p)) * np.array([3.0, 2.0, 1.0])[:, None]
    return rng.normal(size=(n, k)) @ W + 1.0 + scatter * rng.normal(size=(n, p))


def sheet(rng, n, p=20, noise=0.05):
    """A curved surface in p dimensions: its rows without noise, with noise, its coordinates."""
    u = rng.normal(size=(n, 2))
    a, b = u.T
    curves = np.column_stack([a, b, np.sin(2 * a), np.cos(1.5 * b), a * b])
    X = curves @ np.random.default_rng(99).normal(size=(5, p)) / np.sqrt(5)
    return X, X + noise * rng.normal(size=X.shape), u


@pytest.fixture(scope="module")
def on_a_sheet():
    rng = np.random.default_rng(0)
    _, Y, _ = sheet(rng, 1500)
    model = VAE(2, **{**FAST, "epochs": 80, "patience": 30}).fit(Y)
    return model, sheet(rng, 400)


def test_of_linear_data_the_bound_is_the_likelihood_of_probabilistic_components():
    """Lucas et al. 2019: a linear autoencoder's bound is tight; ours may lose 0.1 nats a row."""
    rng = np.random.default_rng(1)
    X = plane(rng, 1500)
    fit, new = X[:1200], X[1200:]
    exact = PCA(3).fit(fit).score_samples(new)  # scikit-learn's, of Tipping & Bishop 1999
    how = {**FAST, "epochs": 15}
    model = VAE(3, **how).fit(fit)
    found = model.bound(new, rng=0)
    assert np.mean(found - exact) == pytest.approx(0.0, abs=0.1)
    assert model.scatter == pytest.approx(0.3, rel=0.03)
    # A coordinate fewer is worse by far more than that.
    assert np.mean(VAE(2, **how).fit(fit).bound(new, rng=0) - exact) < -1.0


def test_the_linear_start_with_gaps_and_errors_is_the_likeliest_plane():
    rng = np.random.default_rng(2)
    X = plane(rng, 400, p=8)
    V = rng.uniform(0.0, 0.5, X.shape)
    V[rng.random(X.shape) < 0.3] = np.inf
    noisy = np.where(np.isfinite(V), X + np.sqrt(np.where(np.isfinite(V), V, 0)) * 0, 1e6)
    noisy = np.where(
        np.isfinite(V), noisy + np.sqrt(np.where(V < 9, V, 0)) * rng.normal(size=X.shape), 0
    )

    def likelihood(start):
        S = start.axes.T @ start.axes + start.scatter**2 * np.eye(8)
        return np.mean(
            [
                multivariate_normal(start.mean[s], S[np.ix_(s, s)] + np.diag(v[s])).logpdf(x[s])
                for x, v in zip(noisy, V, strict=True)
                if (s := np.isfinite(v)).any()
            ]
        )

    none = np.zeros((400, 0))
    best = linear_start(noisy, V, none, 3, 1e-3)
    assert best.scatter == pytest.approx(0.3, rel=0.1)
    top = likelihood(best)
    for name in ("axes", "mean", "scatter"):
        moved = {n: getattr(best, n) for n in ("axes", "mean", "scatter")}
        moved[name] = moved[name] * 1.05
        assert likelihood(type(best)(**moved)) < top - 1e-3
    complete = np.zeros_like(V)
    theirs, ours = PCA(3).fit(X), linear_start(X, complete, none, 3, 1e-3)
    S = ours.axes.T @ ours.axes + ours.scatter**2 * np.eye(8)
    np.testing.assert_allclose(S * 400 / 399, theirs.get_covariance(), rtol=1e-6, atol=1e-8)


def test_before_training_the_encoder_is_the_exact_posterior():
    rng = np.random.default_rng(3)
    X = plane(rng, 300)
    std = rng.uniform(0.2, 1.0, X.shape)
    ivar = np.where(rng.random(X.shape) < 0.5, 0.0, std**-2)
    model = VAE(3, epochs=1, learning_rate=0.0, random_state=0).fit(X)
    W = model.weights_["axes"].astype(float) * model.x_scale_
    mean = model.weights_["mean"].astype(float) * model.x_scale_ + model.x_center_
    found = model.transform_dist(X, ivar=ivar)
    for i in range(5):
        s = ivar[i] > 0
        D = np.diag(1.0 / (model.scatter**2 + 1.0 / ivar[i, s]))
        S = np.linalg.inv(np.eye(3) + W[:, s] @ D @ W[:, s].T)
        np.testing.assert_allclose(found.mean[i], S @ W[:, s] @ D @ (X[i] - mean)[s], atol=1e-6)
        np.testing.assert_allclose(found.cov().dense()[i], S, atol=1e-6)
    model.set_params(steps=0)
    np.testing.assert_allclose(model.transform(X, ivar=ivar), found.mean, atol=1e-5)


def test_rows_that_judge_have_no_part_in_the_start():
    rng = np.random.default_rng(5)
    X = plane(rng, 40)
    others = X.copy()
    *_, split = seeds_of(0, 1)
    _, held = held_out(40, 0.1, split)
    others[held] = 9.0 * plane(rng, len(held))
    how = {"epochs": 1, "learning_rate": 0.0, "random_state": 0}
    one, other = (VAE(2, **how).fit(rows).get_state() for rows in (X, others))
    assert one["x_scale_"] == other["x_scale_"]
    np.testing.assert_array_equal(one["weights_"]["axes"], other["weights_"]["axes"])


def test_a_sheet_is_found(on_a_sheet):
    model, (X, Y, u) = on_a_sheet
    Z = model.transform(Y)
    off = np.sqrt(np.mean((model.inverse_transform(Z) - X) ** 2))
    flat = PCA(2).fit(Y)
    flat_off = np.sqrt(np.mean((flat.inverse_transform(flat.transform(Y)) - X) ** 2))
    # The noise alone, projected on two dimensions of twenty, leaves 0.05 sqrt(2 / 20) = 0.016.
    assert off < 0.08 < 0.25 < flat_off
    cubic = PolynomialFeatures(5).fit_transform(Z)
    assert LinearRegression().fit(cubic[:200], u[:200]).score(cubic[200:], u[200:]) > 0.97
    assert model.bound(Y, rng=0).mean() > flat.score(Y) + 10


def test_half_of_a_row_is_enough(on_a_sheet):
    model, (X, Y, _) = on_a_sheet
    rng = np.random.default_rng(4)
    hidden = rng.random(Y.shape) < 0.5
    gappy = np.where(hidden, np.nan, Y)
    off = (model.inverse_transform(model.transform(gappy)) - X)[hidden]
    assert np.sqrt(np.mean(off**2)) < 0.15 < 0.5 < np.std(X[hidden])
    ivar = np.where(hidden, 0.0, 1e8)
    wild = np.where(hidden, 1e30, Y)
    one, other = model.transform(Y, ivar=ivar), model.transform(wild, ivar=ivar)
    np.testing.assert_array_equal(one, other)


def test_values_under_the_mask_do_not_matter_in_fit():
    rng = np.random.default_rng(5)
    X = plane(rng, 60, p=6)
    ivar = np.where(rng.random(X.shape) < 0.4, 0.0, 4.0)
    ivar[7], ivar[:, 3] = 0.0, 0.0
    wild = np.where(ivar > 0, X, 1e30)
    how = {"epochs": 5, "encoder": "dense(8) tanh", "decoder": "dense(8) tanh", "random_state": 0}
    one, other = (VAE(2, **how).fit(x, ivar=ivar) for x in (X, wild))
    assert np.array_equal(one.transform(X, ivar=ivar), other.transform(wild, ivar=ivar))
    wild = np.where(ivar > 0, X, 1e10)
    light = VAE(2, **how).fit(wild, ivar=np.where(ivar > 0, ivar, 1e-40))
    np.testing.assert_allclose(light.transform(X, ivar=ivar), one.transform(X, ivar=ivar))
    nan = VAE(2, **how).fit(np.where(ivar > 0, X, np.nan))
    assert np.isfinite(nan.transform(X)).all()


def test_the_latent_covariance_covers(on_a_sheet):
    """Of coordinates drawn from the model itself, 68 % of each lie within a standard deviation."""
    model, _ = on_a_sheet
    rng = np.random.default_rng(6)
    Z = rng.normal(size=(600, 2))
    std = rng.uniform(0.05, 0.5, (600, 20))
    Y = model.inverse_transform(Z) + np.sqrt(std**2 + model.scatter**2) * rng.normal(size=std.shape)
    ivar = np.where(rng.random(Y.shape) < 0.3, 0.0, std**-2)
    found = model.transform_dist(Y, ivar=ivar)
    low, high = binom.ppf([0.005, 0.995], 600, chi2(2).cdf(2.3)) / 600
    near = np.mean(found.cov().mahalanobis(Z - found.mean) < 2.3)
    assert low < near < high
    wrong = model.transform_dist(Y, ivar=4 * ivar)  # errors declared half as large
    assert np.mean(wrong.cov().mahalanobis(Z - wrong.mean) < 2.3) < low


def test_labels_are_given_and_not_embedded():
    rng = np.random.default_rng(7)
    z, label = rng.normal(size=(800, 1)), rng.uniform(10.0, 12.0, (800, 1))
    pixels = np.hstack([z * label, np.sin(label), z + label, z**2]) @ rng.normal(size=(4, 10))
    rows = np.hstack([pixels + 0.05 * rng.normal(size=pixels.shape), label])
    model = VAE(1, labels=1, **FAST).fit(rows[:600])
    Z = model.transform(rows[600:])
    np.testing.assert_array_equal(Z[:, 1], label[600:, 0])
    back = model.inverse_transform(Z)
    assert np.sqrt(np.mean((back[:, :10] - pixels[600:]) ** 2)) < 0.1 * pixels.std()
    np.testing.assert_array_equal(back[:, 10], label[600:, 0])
    assert abs(np.corrcoef(Z[:, 0], z[600:, 0])[0, 1]) > 0.98
    # z is independent of the label; that is what makes it possible to draw at a label.
    drawn = model.sample(2000, labels=[11.5], rng=1)
    true = np.hstack([z * 11.5, np.sin(11.5 + 0 * z), z + 11.5, z**2])
    assert drawn.shape == (2000, 11) and (drawn[:, 10] == 11.5).all()
    expected = (
        true
        @ np.linalg.lstsq(
            np.hstack([z * label, np.sin(label), z + label, z**2]), pixels, rcond=None
        )[0]
    )
    spread = expected.std(axis=0).max()
    np.testing.assert_allclose(drawn[:, :10].mean(axis=0), expected.mean(axis=0), atol=0.2 * spread)
    np.testing.assert_allclose(drawn[:, :10].std(axis=0), expected.std(axis=0), atol=0.2 * spread)
    distribution = model.transform_dist(rows[:3])
    assert (distribution.variance[:, 1] == 0).all() and (distribution.variance[:, 0] > 0).all()
    assert model.inverse_dist(distribution).mean.shape == (3, 11)
    rows[3, 10] = np.nan
    with pytest.raises(InputError, match="a label is missing"):
        model.transform(rows)
    with pytest.raises(ShapeError, match="labels must be"):
        model.sample(5)


def test_slopes_of_the_way_back_are_its_differences(on_a_sheet):
    model, _ = on_a_sheet
    Z = np.random.default_rng(8).normal(size=(4, 2))
    found = model._inverse_jacobian(Z)
    step = 1e-5 * np.eye(2)
    differences = [
        (model.inverse_transform(Z + s) - model.inverse_transform(Z - s)) / 2e-5 for s in step
    ]
    np.testing.assert_allclose(found, np.stack(differences, axis=-1), rtol=1e-5, atol=1e-7)


def test_samples_have_the_moments_of_the_rows(on_a_sheet):
    model, (_, Y, _) = on_a_sheet
    drawn = model.sample(4000, rng=0)
    np.testing.assert_allclose(drawn.mean(axis=0), Y.mean(axis=0), atol=0.3 * Y.std())
    np.testing.assert_allclose(drawn.std(axis=0), Y.std(axis=0), atol=0.3 * Y.std())
    assert np.array_equal(drawn, model.sample(4000, rng=0))
    calm = model.sample(4000, rng=0, scatter=False)
    assert np.std(calm - model.inverse_transform(model.transform(calm))) < model.scatter


def test_digits_come_back_better_than_by_components():
    X = load_digits().data / 16.0
    rng = np.random.default_rng(9)
    X = X[rng.permutation(len(X))]
    model = VAE(8, **{**FAST, "epochs": 20}).fit(X[:1200])
    flat = PCA(8).fit(X[:1200])
    ours, theirs = (
        np.sqrt(np.mean((m.inverse_transform(m.transform(X[1200:])) - X[1200:]) ** 2))
        for m in (model, flat)
    )
    assert ours < 0.9 * theirs


def test_labels_of_stars_are_inferred_through_it(on_a_sheet):
    """Inside Embedded, with a Gaussian process: curved spectra as functions of two labels."""
    rng = np.random.default_rng(10)
    _, Y, u = sheet(rng, 150)
    embedder = VAE(2, **{**FAST, "epochs": 25})
    emulator = eq.Embedded(embedder, eq.emulator("trend-gp")).fit(u, Y)
    new, _, at = sheet(rng, 60)
    at, new = at[np.abs(at).max(axis=1) < 1.5], new[np.abs(at).max(axis=1) < 1.5]
    prediction = emulator.predict_dist(at)
    error = new - prediction.mean
    assert np.sqrt(np.mean(error**2)) < 0.5 * new.std()
    assert 0.3 < np.mean(error**2 / prediction.variance) < 3.0


def test_hidden_values_are_a_share_of_half_of_the_rows():
    rng = np.random.default_rng(11)
    rows = torch.zeros(4000, 2 * 50 + 1)
    hidden = torch.isinf(hiding(0.8, 50)(rows, rng)[0][:, 50:100]).double().mean(dim=1).numpy()
    assert np.mean(hidden > 0) == pytest.approx(0.5, abs=0.03)
    assert hidden[hidden > 0].mean() == pytest.approx(0.4, abs=0.03)
    assert hiding(0, 50) is None


def test_a_file_gives_back_every_bit_and_wrong_states_are_refused(tmp_path):
    X = plane(np.random.default_rng(12), 40, p=6)
    small = {"encoder": "dense(4) tanh", "decoder": "dense(4) tanh", "epochs": 3}
    model = VAE(2, random_state=0, **small).fit(X)
    model.save(tmp_path / "vae.h5")
    again = eq.load(tmp_path / "vae.h5")
    assert again.transform(X).tobytes() == model.transform(X).tobytes()
    state = model.get_state()
    weights = state["weights_"]
    for wrong in (
        {"weights_": {**weights, "axes": weights["axes"][:, :3]}},
        {"weights_": {**weights, "mean": weights["mean"] * np.float32(np.nan)}},
        {"weights_": {k: w for k, w in weights.items() if k != "axes"}},
        {"x_scale_": 0.0},
        {"x_center_": np.zeros(3)},
    ):
        with pytest.raises(StateError):
            again.set_state({**state, **wrong})
    assert again.transform(X).tobytes() == model.transform(X).tobytes()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_components": 0}, "n_components"),
        ({"labels": 4}, "none to be embedded"),
        ({"labels": -1}, "labels"),
        ({"hide": 1.0}, "hide"),
        ({"steps": -1}, "steps"),
        ({"encoder": "dens(3)"}, "Did you mean 'dense'"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 1e30}, "diverged"),
    ],
)
def test_wrong_options_are_named(options, says):
    X = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(InputError, match=says):
        VAE(**{"n_components": 2, "epochs": 3, **options}).fit(X)


def test_what_cannot_be_learned_from_or_asked_is_refused():
    X = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(InputError, match="no value was observed"):
        VAE(2, epochs=1).fit(np.full((9, 4), np.nan))
    with pytest.raises(InputError, match="divide it by a typical value"):
        VAE(2, epochs=1).fit(1e200 * X)
    model = VAE(2, epochs=1).fit(X)
    with pytest.raises(ShapeError, match="2 coordinates"):
        model.inverse_transform(np.zeros((3, 3)))
    with pytest.raises(InputError, match="draws"):
        model.bound(X, draws=0)
    with pytest.raises(InputError, match="size"):
        model.sample(0)
