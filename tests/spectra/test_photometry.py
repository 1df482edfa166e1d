"""Photometry: magnitudes, non-detections, and what embedders see of them."""

import numpy as np
import pytest

from equatorium.errors import InputError, ShapeError
from equatorium.spectra.photometry import Photometry
from equatorium.spectra.spectra import Spectra
from equatorium.testing.reference import ReferencePCA

BANDS = ["g", "r", "i"]


def test_magnitudes_and_their_errors_become_fluxes():
    rng = np.random.default_rng(0)
    draws = 22.5 + 0.02 * rng.standard_normal(20000)
    seen = Photometry.from_magnitudes(["g"], [[22.5]], [[0.02]], zero=22.5)
    flux = 10 ** (-0.4 * (draws - 22.5))
    assert seen.flux[0, 0] == pytest.approx(flux.mean(), rel=1e-3)
    assert seen.ivar[0, 0] ** -0.5 == pytest.approx(flux.std(), rel=0.03)


def test_not_detected_is_not_the_same_as_not_observed():
    m = [[24.0, np.nan, np.nan]]
    seen = Photometry.from_magnitudes(BANDS, m, 0.1, limit=[25.0, 25.0, np.nan], sigma=5)
    X, ivar = seen.rows
    assert X[0, 1] == 0 and ivar[0, 1] == pytest.approx(25.0)  # 5 sigma is a flux of one
    assert np.isnan(X[0, 2]) and ivar[0, 2] == 0
    assert (Photometry.from_magnitudes(BANDS, m, 0.1).ivar[0, 1:] == 0).all()


def test_what_surveys_write_for_nothing_is_not_observed():
    seen = Photometry.from_magnitudes(BANDS, [[-9999.0, np.inf, 20.0]], [[0.1, 0.1, -1.0]])
    assert seen.ivar.tolist() == [[0.0, 0.0, 0.0]] and np.isnan(seen.flux).all()


def test_asinh_magnitudes_are_pogsons_where_bright_and_honest_where_faint():
    bright = Photometry.from_magnitudes(["g"], [[18.0]], [[0.01]], zero=0.0)
    mu, ivar = bright.asinh_rows(1e-10)
    assert mu[0, 0] == pytest.approx(18.0, abs=1e-3)
    assert ivar[0, 0] ** -0.5 == pytest.approx(0.01, rel=1e-3)
    rng = np.random.default_rng(1)
    noise = rng.normal(0.5, 0.1, 20000)[:, None]
    mu, ivar = Photometry(["g"], noise, np.full(noise.shape, 100.0)).asinh_rows(0.3)
    assert mu.std() == pytest.approx(np.mean(ivar**-0.5), rel=0.03)


def test_photometry_and_spectra_enter_an_embedder_side_by_side():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((40, 1))
    wave = np.linspace(4000.0, 5000.0, 30)
    spectra = Spectra(wave, 1 + z * np.sin(wave / 90), np.full((40, 30), 1e4))
    gaps = np.where(rng.random((40, 3)) < 0.2, 0.0, 1e4)
    colours = Photometry(BANDS, 2 + z * [[1.0, 0.5, 0.2]], gaps)
    X, ivar = (np.hstack(pair) for pair in zip(spectra.rows, colours.rows, strict=True))
    found = ReferencePCA(n_components=1).fit(X, ivar=ivar).transform(X, ivar=ivar)
    assert abs(np.corrcoef(found[:, 0], z[:, 0])[0, 1]) > 0.99


def test_errors_say_what_to_do():
    with pytest.raises(ShapeError, match="3 bands"):
        Photometry(BANDS, [[1.0, 2.0]], [[1.0, 1.0]])
    with pytest.raises(InputError, match="at least 0"):
        Photometry(["g"], [[1.0]], [[-1.0]])
    with pytest.raises(InputError, match="softening"):
        Photometry(["g"], [[1.0]], [[1.0]]).asinh_rows(0.0)
    with pytest.raises(ShapeError, match="softening"):
        Photometry(["g"], [[1.0]], [[1.0]]).asinh_rows([0.3, 0.3])
    with pytest.raises(ShapeError, match="error must have"):
        Photometry.from_magnitudes(BANDS, [[20.0, 20.0, 20.0]], [0.1, 0.1])
    with pytest.raises(ShapeError, match="limit must have"):
        Photometry.from_magnitudes(BANDS, [[20.0, 20.0, np.nan]], 0.1, limit=[24.0, 24.0])
    with pytest.raises(InputError, match="sigma"):
        Photometry.from_magnitudes(["g"], [[np.nan]], 0.1, limit=[24.0], sigma=0.0)
