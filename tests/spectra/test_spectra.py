"""Observed spectra: against other libraries, and against what is known of made-up ones."""

import numpy as np
import pytest
from astropy import units
from astropy.table import Table
from scipy.stats import norm

import equatorium as eq
from equatorium.errors import InputError, ShapeError, UnknownNameError
from equatorium.spectra.resampling import overlaps
from equatorium.spectra.spectra import Spectra
from equatorium.spectra.wavelength import (
    air_to_vacuum,
    log_wavelengths,
    pixel_edges,
    vacuum_to_air,
)

WAVE = np.linspace(4000.0, 4200.0, 401)


def made_up(n=3, seed=0):
    rng = np.random.default_rng(seed)
    flux = 1 + 0.2 * np.sin(WAVE / 7 + rng.random((n, 1))) + 0.01 * rng.standard_normal((n, 401))
    return flux, rng.uniform(0.01, 0.02, flux.shape)


def test_resampling_is_that_of_spectres():
    spectres = pytest.importorskip("spectres", reason="the package spectres is not at hand")
    flux, error = made_up()
    for new in (np.linspace(4010, 4190, 77), log_wavelengths(4005, 4195, 25.0)):
        expected, spread = spectres.spectres(new, WAVE, flux, spec_errs=error)
        seen = Spectra.measured(WAVE, flux, error).resampled(new)
        assert seen.flux == pytest.approx(expected, rel=1e-9)
        assert 1 / np.sqrt(seen.ivar) == pytest.approx(spread, rel=1e-9)


def test_resampling_is_that_of_specutils():
    manipulation = pytest.importorskip("specutils.manipulation", reason="no specutils at hand")
    flux, error = made_up(1)
    source = Spectra.measured(WAVE, flux, error, flux_unit="Jy")
    new = np.linspace(4010, 4190, 60)
    resample = manipulation.FluxConservingResampler()
    expected = resample(source.to_specutils(), new * units.AA)
    assert source.resampled(new).flux[0] == pytest.approx(expected.flux.value, rel=1e-9)


def test_the_noise_of_resampled_pixels_is_what_is_said():
    rng = np.random.default_rng(1)
    new = np.linspace(4010, 4190, 50)
    noise = 0.1 * rng.standard_normal((4000, WAVE.size))
    seen = Spectra.measured(WAVE, noise, np.full(noise.shape, 0.1)).resampled(new)
    z2 = np.mean(seen.flux**2 * seen.ivar, axis=0)
    assert np.abs(z2 - 1).max() < 5 * np.sqrt(2 / 4000)
    assert abs(np.mean(seen.flux**2) / 0.1**2 - 1) > 0.5  # the twin: errors left as they were


def test_what_is_not_observed_has_no_influence():
    flux, error = made_up()
    mask = np.zeros(flux.shape, dtype=bool)
    mask[:, 100:130] = True
    wild = np.where(mask, 1e30, flux)
    new = np.linspace(4010, 4190, 77)
    seen = Spectra.measured(WAVE, wild, error, mask).resampled(new)
    same = Spectra.measured(WAVE, np.where(mask, np.nan, flux), error).resampled(new)
    assert seen == same
    assert 0 < seen.mask.sum() < seen.mask.size
    whole = Spectra.measured(WAVE, flux, error).resampled(new)
    far = (new < 4048) | (new > 4067)
    assert seen.flux[:, far] == pytest.approx(whole.flux[:, far])
    X, ivar = seen.rows
    assert np.isnan(X[seen.mask]).all() and (ivar[seen.mask] == 0).all()


def test_new_pixels_outside_are_unobserved():
    flux, error = made_up()
    seen = Spectra.measured(WAVE, flux, error).resampled(np.linspace(3990, 4100, 111))
    assert seen.mask[:, :9].all() and not seen.mask[:, 12:].any()


@pytest.mark.parametrize("least", [0.0, 1e-12, 0.5])
def test_a_pixel_of_which_nothing_was_seen_is_unobserved_however_little_is_asked_for(least):
    one = Spectra([1.0, 2.0, 3.0, 4.0], [[1.0, 2.0, np.nan, np.nan]])
    seen = one.resampled([1.5, 2.5, 3.5, 9.0], least=least)
    assert seen.mask.tolist() == [[False, False, True, True]]
    assert seen.flux[0, :2].tolist() == [1.5, 2.0]


def test_overlaps_of_pixels_conserve_flux():
    old, new = np.linspace(4000, 4100, 51), log_wavelengths(4010, 4090, 40.0)
    shares = overlaps(old, new).toarray()
    assert shares.sum(axis=1) == pytest.approx(1.0)
    edges = np.interp(np.arange(old.size + 1) - 0.5, np.arange(old.size), old)
    assert shares.shape == (new.size, old.size) and (edges[1:-1] > 4000).all()


def test_a_sharp_resampling_keeps_flux_and_width_of_a_line():
    def averages(wave, sigma=1.5):
        edges = pixel_edges(wave)
        return np.diff(norm.cdf(edges, 4100.2, sigma)) / np.diff(edges)

    wave, new = np.arange(4050.0, 4150.0), log_wavelengths(4060.0, 4140.0, 70.0)
    line = Spectra(wave, averages(wave))
    sharp, broad = line.resampled(new, sharp=True), line.resampled(new)
    assert sharp.flux[0] == pytest.approx(averages(new), abs=0.004 * averages(new).max())
    assert np.abs(broad.flux[0] - averages(new)).max() > 0.01 * averages(new).max()
    for seen in (sharp, broad):
        assert (seen.flux[0] * np.diff(pixel_edges(new))).sum() == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match="sharp=False"):
        Spectra(wave, np.where(wave == 4100, np.nan, 1.0)).resampled(new, sharp=True)


def test_air_and_vacuum():
    # Morton 1991, table: Ca II K, Na D2, H alpha.
    vacuum, air = np.array([3934.777, 5891.5833, 6564.614]), np.array([3933.663, 5889.951, 6562.80])
    assert vacuum_to_air(vacuum) == pytest.approx(air, abs=0.015)
    assert air_to_vacuum(vacuum_to_air(vacuum)) == pytest.approx(vacuum, rel=1e-12)
    there = Spectra(WAVE, made_up()[0], medium="air").in_medium("vacuum")
    assert there.medium == "vacuum" and (there.wavelength > WAVE + 1).all()
    assert there.in_medium("air").wavelength == pytest.approx(WAVE, rel=1e-12)


def test_the_rest_frame_of_stars_that_move():
    line = lambda at: 1 - 0.5 * np.exp(-0.5 * ((WAVE - at) / 1.0) ** 2)  # noqa: E731
    v = np.array([-300.0, 150.0])
    factor = np.sqrt((1 + v / 299792.458) / (1 - v / 299792.458))
    stars = Spectra(WAVE, np.stack([line(4100 * f) for f in factor]), names=["a", "b"])
    grid = np.linspace(4050, 4150, 201)
    rest = stars.rest_frame(velocity=v, wavelength=grid)
    assert rest.wavelength[np.argmin(rest.flux, axis=1)] == pytest.approx([4100, 4100], abs=0.3)
    assert rest.names == ("a", "b")
    one = stars[0].rest_frame(redshift=0.1)
    assert one.wavelength == pytest.approx(WAVE / 1.1)
    with pytest.raises(InputError, match="common wavelengths"):
        stars.rest_frame(velocity=v)


def with_lines(rng, n=2):
    level = 2 + 0.3 * np.linspace(-1, 1, 401) + rng.uniform(-0.2, 0.2, (n, 1))
    lines = np.ones((n, 401))
    for at in rng.uniform(4005, 4195, 25):
        lines -= 0.5 * np.exp(-0.5 * ((WAVE - at) / 0.6) ** 2)
    return level, level * lines + 0.01 * rng.standard_normal((n, 401))


def test_the_continuum_is_found_above_the_lines():
    level, flux = with_lines(np.random.default_rng(3))
    stars = Spectra.measured(WAVE, flux, np.full(flux.shape, 0.01))
    found = stars.normalised(degree=2)
    assert flux / found.flux == pytest.approx(level, rel=0.01)
    assert found.ivar == pytest.approx(stars.ivar * (flux / found.flux) ** 2)
    plain = stars.normalised(degree=2, low=1e3)  # the twin, which lines draw down
    assert (flux / plain.flux / level).mean() < 0.97


def test_a_star_in_a_table(tmp_path):
    flux, error = made_up(1)
    table = Table({"loglam": np.log10(WAVE), "Flux": flux[0], "err": error[0]})
    table["Flux"].unit = "Jy"
    table.write(tmp_path / "star.fits")
    star = Spectra.read(tmp_path / "star.fits")
    assert star.wavelength == pytest.approx(WAVE)
    assert star.flux_unit == "Jy"
    assert star.ivar[0] == pytest.approx(error[0] ** -2)
    nm = Table({"wave": WAVE / 10, "flux": flux[0], "mask": WAVE < 4100}, units={"wave": "nm"})
    star = Spectra.from_table(nm)
    assert star.wavelength == pytest.approx(WAVE)
    assert star.mask[0].sum() == 200
    nm.write(tmp_path / "star.csv")  # which says True and False in words
    assert Spectra.read(tmp_path / "star.csv", unit="nm").mask[0].sum() == 200
    with pytest.raises(InputError, match="'mask' must hold numbers, or True and False"):
        Spectra.from_table({"wave": WAVE, "flux": flux[0], "mask": np.full(WAVE.size, "bad")})
    with pytest.raises(UnknownNameError, match="no column for the flux"):
        Spectra.from_table({"wave": WAVE, "f": WAVE})


def test_there_and_back_by_specutils():
    pytest.importorskip("specutils", reason="no specutils at hand")
    flux, error = made_up()
    mask = np.zeros(flux.shape, dtype=bool)
    mask[0, 3] = True
    stars = Spectra.measured(WAVE, flux, error, mask, flux_unit="Jy")
    again = Spectra.from_specutils(stars.to_specutils())
    assert again.wavelength == pytest.approx(WAVE)
    assert again.flux == pytest.approx(stars.flux, nan_ok=True)
    assert again.ivar == pytest.approx(stars.ivar)
    assert again.flux_unit == "Jy"
    assert Spectra.from_specutils(stars[1].to_specutils()).n == 1


def test_quantities_and_stacks():
    flux, error = made_up()
    nm = Spectra(WAVE * units.AA, flux * units.Jy, error**-2.0, names="abc")
    assert (nm.flux_unit, nm.unit) == ("Jy", "Angstrom")
    grid = np.linspace(4020, 4180, 100)
    stack = Spectra.stacked([nm[:2], nm[2].in_unit("nm")], grid)
    assert stack.names == ("a", "b", "c")
    assert stack.flux == pytest.approx(nm.resampled(grid).flux, rel=1e-9)
    assert stack.ivar == pytest.approx(nm.resampled(grid).ivar, rel=1e-9)


def test_a_star_as_data():
    flux, error = made_up(1)
    flux[0, :5] = np.nan
    data = Spectra.measured(WAVE, flux, error).select(4000, 4100).observation()
    assert isinstance(data, eq.Observation)
    assert data.q == 201 - 5
    assert data.errors == pytest.approx(error[0, 5:201])


STAR = Spectra(np.arange(5000.0, 5040.0), np.ones(40))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Spectra([1.0, 3.0, 2.0], np.ones(3)), InputError, "sort the pixels"),
        (lambda: Spectra(WAVE, np.ones(5)), ShapeError, "401 wavelengths"),
        (lambda: Spectra(WAVE, np.ones(401), -np.ones(401)), InputError, "at least 0"),
        (lambda: Spectra(WAVE, np.ones(401), medium="water"), InputError, "'water'"),
        (lambda: Spectra(WAVE, np.ones(401)).select(1, 2), InputError, "Fewer than two"),
        (lambda: Spectra(WAVE, np.ones(401)).rest_frame(), InputError, "Give either"),
        (lambda: Spectra(WAVE, np.full(401, np.nan)).normalised(), InputError, "Spectrum 0"),
        (lambda: Spectra(WAVE, -np.ones(401)).normalised(), InputError, "not positive"),
        (lambda: Spectra.stacked([], WAVE), InputError, "no spectra"),
        (lambda: STAR.rest_frame(velocity=3e5), InputError, "below that of light"),
        (lambda: STAR.rest_frame(redshift=np.nan), InputError, "finite"),
        (lambda: STAR.in_unit("K"), InputError, "'Angstrom' cannot be in 'K'"),
        (lambda: STAR.in_unit("angstroms?"), InputError, "cannot be in"),
        (lambda: STAR.normalised(degree=2.5), InputError, "whole number"),
        (lambda: STAR.normalised(degree=-1), InputError, "whole number"),
        (lambda: STAR.normalised(low=-1.0), InputError, "positive low"),
        (lambda: STAR.normalised(low="tight"), InputError, "low must hold real numbers"),
        (lambda: STAR.normalised(high=[3.0]), InputError, "high must be one number"),
        (lambda: STAR.select([5003], 5010), ShapeError, r"one number, .* \(1,\)"),
    ],
)
def test_errors_say_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
