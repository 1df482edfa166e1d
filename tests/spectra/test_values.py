"""What users hand over: units are honoured, one value serves many, and nonsense is named."""

import numpy as np
import pytest
from astropy import units
from astropy.nddata import StdDevUncertainty
from astropy.table import Table
from astropy.utils.masked import Masked

import equatorium as eq
from equatorium.errors import InputError, ShapeError
from equatorium.spectra.wavelength import vacuum_to_air

WAVE = np.arange(5000.0, 5040.0)
FLUX = np.ones((2, 40))
STARS = eq.Spectra(WAVE, FLUX)


def test_errors_are_in_the_unit_of_the_flux():
    for error in (FLUX * 100 * units.mJy, FLUX * 0.1 * units.Jy, 0.1):
        seen = eq.Spectra.measured(WAVE, FLUX * units.Jy, error)
        assert seen.ivar == pytest.approx(np.full((2, 40), 100.0))
    seen = eq.Spectra(WAVE, FLUX * units.Jy, FLUX * 1e-4 / units.mJy**2)
    assert seen.ivar == pytest.approx(np.full((2, 40), 100.0))
    odd = Table(
        {"wave": WAVE, "flux": FLUX[0]},
        units={"flux": units.Unit("maggies?", parse_strict="silent")},
    )
    assert eq.Spectra.measured(WAVE, odd["flux"], 0.1).flux_unit == "maggies?"
    bands = eq.Photometry(["g"], [[2.0]] * units.Jy, [[1e-4]] / units.mJy**2)
    assert bands.ivar[0, 0] == pytest.approx(100.0)
    with pytest.raises(InputError, match="error is in 'K', but 'Jy' is needed"):
        eq.Spectra.measured(WAVE, FLUX * units.Jy, FLUX * units.K)
    with pytest.raises(InputError, match="error is in 'Jy', but numbers without a unit"):
        eq.Spectra.measured(WAVE, FLUX, FLUX * units.Jy)


def test_errors_of_a_table_are_in_the_unit_of_its_flux():
    table = Table({"wave": WAVE, "flux": FLUX[0], "err": 100 * FLUX[0]}, units={"err": "mJy"})
    with pytest.raises(InputError, match="err is in 'mJy', but numbers without a unit"):
        eq.Spectra.from_table(table)
    table["flux"].unit = "Jy"
    assert eq.Spectra.from_table(table).ivar[0, 0] == pytest.approx(100.0)
    del table["err"]
    table["ivar"] = 1e-4 * FLUX[0] / units.mJy**2
    assert eq.Spectra.from_table(table).ivar[0, 0] == pytest.approx(100.0)


def test_fluxes_are_converted_to_the_unit_that_is_asked_for():
    table = Table({"wave": WAVE, "flux": 5 * FLUX[0], "err": FLUX[0]})
    table["flux"].unit = table["err"].unit = "mJy"
    for seen in (
        eq.Spectra.from_table(table, flux_unit="Jy"),
        eq.Spectra.measured(WAVE, 5 * FLUX * units.mJy, FLUX * units.mJy, flux_unit="Jy"),
        eq.Spectra(WAVE, 5 * FLUX * units.mJy, FLUX / units.mJy**2, flux_unit="Jy"),
    ):
        assert seen.flux_unit == "Jy" and seen.flux[0] == pytest.approx(np.full(40, 0.005))
        assert seen.ivar[0] == pytest.approx(np.full(40, 1e6))


@pytest.mark.parametrize("unit", [None, "Jy-2"])
def test_an_infinite_weight_in_a_table_is_refused(unit):
    table = Table({"wave": WAVE, "flux": FLUX[0], "ivar": np.r_[np.inf, FLUX[0, 1:]]})
    table["flux"].unit, table["ivar"].unit = "Jy", unit
    with pytest.raises(InputError, match="column 'ivar' must be finite or NaN"):
        eq.Spectra.from_table(table)


def test_what_is_masked_was_not_observed():
    flux = Masked(FLUX * units.Jy, mask=[WAVE < 5010] * 2)
    for seen in (eq.Spectra(WAVE, flux), eq.Spectra.measured(WAVE, FLUX * units.Jy, flux)):
        assert seen.mask.tolist() == flux.mask.tolist()


def test_uncertainties_of_specutils_are_in_the_unit_of_the_flux():
    specutils = pytest.importorskip("specutils", reason="no specutils at hand")
    spread = StdDevUncertainty(np.full(40, 100.0), unit="mJy")
    one = specutils.Spectrum(FLUX[0] * units.Jy, WAVE * units.AA, uncertainty=spread)
    assert eq.Spectra.from_specutils(one).ivar[0, 0] == pytest.approx(100.0)
    other = eq.Spectra.from_specutils(one, flux_unit="mJy")
    assert other.flux[0, 0] == pytest.approx(1000.0)
    assert other.ivar[0, 0] == pytest.approx(1e-4)


def test_wavelengths_and_velocities_are_converted():
    nm = np.arange(500.5, 503.0, 0.1)
    bent = eq.Spectra(WAVE, WAVE - 5000)
    two = bent.resampled(nm * units.nm), bent.resampled(10 * nm)
    assert two[0].flux == pytest.approx(two[1].flux) and not two[0].mask.any()
    assert STARS.select(501 * units.nm, 502 * units.nm).p == 11
    slow, fast = (STARS.rest_frame(velocity=v) for v in (0.1, 100 * units.m / units.s))
    assert slow.wavelength == pytest.approx(fast.wavelength, rel=1e-15)
    column = Table({"flux": FLUX[0]})["flux"]  # which has the unit None
    assert eq.Spectra(WAVE, column).flux_unit == ""


def test_one_error_and_one_mask_serve_all_spectra():
    bad = WAVE < 5010
    seen = eq.Spectra.measured(WAVE, FLUX, np.linspace(0.1, 0.2, 40), bad)
    assert seen.mask.tolist() == [bad.tolist()] * 2
    assert seen.ivar[1, -1] == pytest.approx(25.0)


def test_a_spectrum_is_shown_in_a_line():
    shown = repr(eq.Spectra(WAVE, np.where(WAVE < 5010, np.nan, FLUX), medium="air"))
    assert shown == "Spectra(2 x 40 pixels, 5000 to 5039 Angstrom in air, 25% unobserved)"


def test_new_pixels_that_no_spectrum_reaches_are_an_error():
    for far in (WAVE + 1000, WAVE / 10):
        with pytest.raises(InputError, match="share nothing with the spectra"):
            STARS.resampled(far)
    near = STARS[0].rest_frame(redshift=0.5)
    with pytest.raises(InputError, match="share nothing"):
        eq.Spectra.stacked([STARS, near], WAVE + 1000)
    both = eq.Spectra.stacked([STARS[0], near], WAVE)
    assert both.mask.all(axis=1).tolist() == [False, True]


def test_magnitudes_that_stand_for_none():
    given = [[99.0, -99.0, np.inf, 20.0]]
    seen = eq.Photometry.from_magnitudes(list("abcd"), given, 0.1, limit=25.0, sigma=5.0)
    assert seen.ivar[0, :3] == pytest.approx([25.0, 0.0, 25.0])
    assert seen.flux[0, [0, 2, 3]] == pytest.approx([0.0, 0.0, 100.0])
    alone = eq.Photometry.from_magnitudes(list("abcd"), given, 0.1)
    assert (alone.ivar[0, :3] == 0).all()
    many = eq.Photometry.from_magnitudes(["g"], [[20.0]] * units.ABmag, 0.1, zero=[20.0])
    assert many.flux[0, 0] == 1.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: eq.Spectra(WAVE, FLUX, unit="K"), InputError, "'K' cannot be in 'Angstrom'"),
        (lambda: eq.Spectra(WAVE * units.Hz, FLUX), InputError, "wavelength is in 'Hz'"),
        (lambda: eq.Spectra.measured(WAVE, FLUX, None), InputError, "error .* None"),
        (
            lambda: eq.Spectra.measured(WAVE, FLUX * units.Jy, 0.1 * units.ABmag),
            InputError,
            "it is logarithmic",
        ),
        (lambda: eq.Spectra(np.log10(WAVE) * units.dex(units.AA), FLUX), InputError, "logarithmic"),
        (
            lambda: eq.Spectra.from_table(
                Table({"wave": WAVE / 1e3, "flux": WAVE}, units={"wave": "dex(Angstrom)"})
            ),
            InputError,
            "'wave' is in 'dex.* logarithmic",
        ),
        (lambda: eq.Spectra.measured(WAVE, FLUX, 1, [0] * 7), ShapeError, "mask must .* \\(40,\\)"),
        (lambda: eq.Spectra.measured(WAVE, FLUX, 1, ["a"] * 40), InputError, "True and False"),
        (lambda: eq.Spectra(WAVE, FLUX, np.ones(7)), ShapeError, "ivar must have the shape"),
        (lambda: eq.Spectra.stacked([1], WAVE), InputError, "type Spectra"),
        (lambda: STARS.resampled(WAVE + 0.5, least=2), InputError, "a share, 0 to 1"),
        (lambda: STARS.resampled(WAVE + 0.5, least="a"), InputError, "a share, 0 to 1"),
        (lambda: eq.Spectra.measured(WAVE, [[1, 2], [3]], 0.1), InputError, "flux must hold"),
        (lambda: STARS.select(None, 5010), InputError, "None"),
        (lambda: STARS.normalised(degree=True), InputError, "whole number"),
        (lambda: vacuum_to_air([1500.0]), InputError, "above 2000 Angstrom"),
        (lambda: eq.Spectra(WAVE / 4, FLUX).in_medium("air"), InputError, "above 2000"),
        (
            lambda: eq.Spectra([1.0, 2.0], [1.0, 2.0]).resampled([1.2, 1.8], sharp=True),
            InputError,
            "at least 3 pixels",
        ),
        (lambda: eq.Photometry.from_magnitudes(["g"], [[1.0]], None), InputError, "error .* None"),
        (
            lambda: eq.Photometry.from_magnitudes(["g"], [[1.0]] * units.Jy, 0.1),
            InputError,
            "in magnitudes, but it is in 'Jy'",
        ),
        (
            lambda: eq.Photometry.from_magnitudes(["g"], [[1.0]], 0.1, sigma="a"),
            InputError,
            "sigma must be positive",
        ),
        (
            lambda: eq.Photometry.from_magnitudes(["g"], [[1.0]], 0.1, zero=np.nan),
            InputError,
            "zero finite",
        ),
    ],
)
def test_nonsense_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
