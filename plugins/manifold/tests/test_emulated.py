"""Spectra emulated through hmf: what single pixels are worth decides what is learned of them."""

import numpy as np
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import equatorium as eq


def spectra(n, rng):
    """Lines whose depths follow two labels, (n, 80), and the labels."""
    labels, wave = rng.uniform(-1, 1, (n, 2)), np.linspace(0, 1, 80)
    lines = np.exp(-0.5 * ((wave - np.array([[0.2], [0.5], [0.8]])) / 0.05) ** 2)
    a, b = labels.T
    return labels, 1.0 - np.column_stack([0.4 + 0.2 * a, 0.3 + 0.2 * b, 0.2 + 0.1 * a * b]) @ lines


def test_declared_errors_of_pixels_reach_the_emulator_through_hmf():
    rng = np.random.default_rng(0)
    labels, flux = spectra(150, rng)
    # A window of every spectrum is nearly lost; the rest is good.
    start = rng.integers(0, 80, 150)[:, None]
    std = np.where((np.arange(80) - start) % 80 < 30, 1.0, 0.02)
    seen = flux + std * rng.normal(size=flux.shape)
    through = eq.Conformal(make_pipeline(PolynomialFeatures(2), Ridge(1e-6)))
    fresh, truth = spectra(200, rng)
    rms, inside = {}, {}
    for name, noise in (("hmf", std**2), ("pca", None)):  # the wrong twin weighs all alike
        model = eq.Embedded(eq.embedder(name, n_components=3), through)
        got = model.fit(labels, seen, noise=noise).predict_dist(fresh)
        error = got.mean - truth
        rms[name] = np.sqrt(np.mean(error**2))
        inside[name] = (np.abs(error) < stats.norm.ppf(0.95) * got.std).mean()
    assert rms["hmf"] < 0.02 and rms["hmf"] < 0.3 * rms["pca"]
    assert inside["hmf"] > 0.85
