"""Operators against what their kernels do to lines that are known."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import equatorium as eq
from equatorium.errors import InputError, UnknownNameError
from equatorium.spectra.kernels import LineSpread, RadialVelocity, Rotation, convolved
from equatorium.spectra.multiplying import Extinction, FreeContinuum
from equatorium.spectra.wavelength import SPEED_OF_LIGHT, log_wavelengths

GRID = log_wavelengths(5000.0, 5300.0, 10.0)
V = SPEED_OF_LIGHT * np.log(GRID / 5150.0)  # km/s from the middle
MIDDLE = slice(100, -100)


def gauss(centre, sigma):
    return np.exp(-0.5 * ((V - centre) / sigma) ** 2) * 50.0 / sigma


def spectrum(*rows, variance=0.0, factor=None):
    mean = np.array(rows)
    own = np.full(mean.shape, variance)
    covariance = eq.Diagonal(own) if factor is None else eq.LowRank(own, factor)
    return eq.Gaussian(mean, covariance)


def test_a_shift_moves_a_line_by_the_relativistic_doppler_factor():
    sources = spectrum(gauss(0.0, 40.0), gauss(0.0, 40.0))
    seen = RadialVelocity().apply(GRID, sources, {"v": np.array([123.4, -3000.0])})
    beta = np.array([123.4, -3000.0]) / SPEED_OF_LIGHT
    moved = SPEED_OF_LIGHT * np.log(np.sqrt((1 + beta) / (1 - beta)))
    for row, by in zip(seen.mean, moved, strict=True):
        assert row[MIDDLE] == pytest.approx(gauss(by, 40.0)[MIDDLE], abs=1e-7)


def test_resolutions_add_in_quadrature():
    seen = LineSpread(native=4000.0).apply(
        GRID, spectrum(gauss(30.0, 60.0)), {"resolution": np.array([1500.0])}
    )
    fwhm = SPEED_OF_LIGHT * np.sqrt(1500.0**-2 - 4000.0**-2)
    sigma = np.hypot(60.0, fwhm / 2.354820045)
    assert seen.mean[0][MIDDLE] == pytest.approx(gauss(30.0, sigma)[MIDDLE], abs=1e-7)


@pytest.mark.parametrize("darkening", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("vsini", [0.0, 1.0, 150.0])
def test_rotation_is_the_convolution_with_grays_profile(darkening, vsini):
    operator = Rotation(darkening)
    seen = operator.apply(GRID, spectrum(gauss(0.0, 30.0)), {"vsini": np.array([vsini])})

    def profile(x):  # Gray 2005, eq. 18.14, over x = v / vsini
        disc = 2 * (1 - darkening) * np.sqrt(1 - x**2) + np.pi * darkening / 2 * (1 - x**2)
        return disc / (np.pi * (1 - darkening / 3))

    def direct(v):
        line = lambda x: 50 / 30 * np.exp(-0.5 * ((v - x * vsini) / 30.0) ** 2)  # noqa: E731
        return quad(lambda x: profile(x) * line(x), -1, 1, limit=200)[0]

    for i in range(len(V) // 2, len(V) // 2 + 30, 7):
        assert seen.mean[0, i] == pytest.approx(direct(V[i]), abs=2e-6)
    if vsini > 100:  # and not the one without darkening of the limb
        other = Rotation(0.3).apply(GRID, spectrum(gauss(0.0, 30.0)), {"vsini": np.array([vsini])})
        assert np.abs(other.mean - seen.mean).max() > 1e-3


def test_kernels_that_follow_each_other_need_one_transform():
    source = spectrum(gauss(0.0, 40.0))
    values = {n: np.array([x]) for n, x in (("v", 50.0), ("vsini", 90.0), ("resolution", 3000.0))}
    kernels = [RadialVelocity(), Rotation(), LineSpread()]
    one = convolved(kernels, GRID, source, values).mean
    for kernel in kernels:
        source = kernel.apply(GRID, source, values)
    assert one[0][MIDDLE] == pytest.approx(source.mean[0][MIDDLE], abs=1e-6)


def test_the_covariance_is_carried_by_the_same_map():
    rng = np.random.default_rng(0)
    factor = np.stack([gauss(c, s) for c, s in ((-200, 50), (0, 90), (300, 60))], axis=-1)[None]
    source = spectrum(gauss(0.0, 40.0), factor=factor)
    values = {"vsini": np.array([120.0])}
    seen = Rotation().apply(GRID, source, values)
    # Draws of the source, each mapped as a mean.
    draws = source.sample(4, rng)[:, 0]
    mapped = Rotation().apply(GRID, spectrum(*draws), {"vsini": np.full(4, 120.0)}).mean
    amplitudes = np.linalg.lstsq(factor[0], (draws - source.mean).T, rcond=None)[0]
    assert mapped - seen.mean == pytest.approx((seen.covariance.factor[0] @ amplitudes).T, abs=1e-9)
    assert seen.variance[0] == pytest.approx(np.square(seen.covariance.factor[0]).sum(-1), abs=1e-9)


def test_smoothing_does_not_average_away_what_the_emulator_leaves_out_of_pixels():
    source = spectrum(np.ones(GRID.size), variance=0.01)
    seen = LineSpread().apply(GRID, source, {"resolution": np.array([1000.0])})
    assert seen.variance == pytest.approx(0.01)


@pytest.mark.parametrize("law", ["CCM89", "F99", "G23"])
def test_one_magnitude_in_the_v_band_is_one_magnitude(law):
    wavelength = np.array([4400.0, 5494.5, 7000.0])
    source = spectrum(np.ones(3), variance=0.04)
    seen = Extinction(law=law).apply(wavelength, source, {"A_V": np.array([1.0])})
    assert seen.mean[0, 1] == pytest.approx(10**-0.4, rel=0.03)
    assert seen.mean[0, 0] / seen.mean[0, 1] == pytest.approx(
        10 ** (-0.4 / 3.1), rel=0.02
    )  # E(B-V)
    assert seen.variance == pytest.approx(0.04 * seen.mean**2)


def test_extinction_by_cardelli_is_that_of_another_library():
    extinction = pytest.importorskip("extinction", reason="the package extinction is not at hand")
    wavelength = np.linspace(3600.0, 9000.0, 40)
    seen = Extinction(R_V=4.0, law="CCM89").apply(
        wavelength, spectrum(np.ones(40)), {"A_V": np.array([0.7])}
    )
    expected = 10 ** (-0.4 * extinction.ccm89(wavelength, 0.7, 4.0))
    assert seen.mean[0] == pytest.approx(expected, rel=1e-6)


def test_a_free_continuum_is_the_integral_over_its_coefficients():
    x = np.linspace(5000.0, 5300.0, 12)
    mean = 1 + 0.3 * np.sin(x / 20)
    seen = FreeContinuum(0, std=0.2).apply(x, spectrum(mean, variance=0.01), {})
    y = 1.1 * mean + 0.05 * np.cos(x / 3)

    def integrand(c):
        return np.exp(stats.norm(mean * (1 + c), 0.1).logpdf(y).sum()) * stats.norm(0, 0.2).pdf(c)

    assert seen.log_prob(y)[0] == pytest.approx(np.log(quad(integrand, -1, 1, points=[0.1])[0]))


def test_a_free_continuum_takes_numbers_of_numpy_too():
    given = FreeContinuum(np.int64(1), np.array([0.5, 0.1]))
    assert (given.degree, given.std) == (1, (0.5, 0.1))


def test_an_infinite_resolution_no_rotation_and_no_dust_change_nothing():
    source = spectrum(1 - 0.1 * gauss(0.0, 40.0), variance=1e-4)
    values = {n: np.array([x]) for n, x in (("vsini", 0.0), ("resolution", np.inf), ("A_V", 0.0))}
    for operator in (Rotation(), LineSpread(), Extinction()):
        seen = operator.apply(GRID, source, values)
        assert seen.mean == pytest.approx(source.mean, abs=1e-12)
        assert seen.variance == pytest.approx(source.variance, rel=1e-9)


def test_a_tilted_spectrum_is_no_surprise_to_a_free_continuum_only():
    tilt = 1 + 0.15 * (2 * (GRID - GRID[0]) / np.ptp(GRID) - 1)
    source = spectrum(np.ones(GRID.size), variance=1e-4)
    free = FreeContinuum(2).apply(GRID, source, {})
    assert free.cov().mahalanobis(tilt - 1)[0] < 5
    assert source.cov().mahalanobis(tilt - 1)[0] > 1000


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Rotation(1.5), InputError, "limb_darkening"),
        (lambda: Rotation("x"), InputError, "limb_darkening"),
        (lambda: LineSpread(-1.0), InputError, "native"),
        (lambda: LineSpread("x"), InputError, "native"),
        (lambda: FreeContinuum(2.5), InputError, "degree"),
        (
            lambda: RadialVelocity().apply(
                GRID, spectrum(gauss(0, 40)), {"v": np.array([-SPEED_OF_LIGHT])}
            ),
            InputError,
            "below that of light",
        ),
        (
            lambda: Rotation().apply(GRID, spectrum(gauss(0, 40)), {"vsini": np.array([2e4])}),
            InputError,
            "Rotation reaches as far as 20000 km/s, beyond the 174",
        ),
        (lambda: FreeContinuum(2, std=[1.0]), InputError, "3 for the degree 2"),
        (
            lambda: LineSpread(2000.0).apply(
                GRID, spectrum(gauss(0, 40)), {"resolution": np.array([3000.0])}
            ),
            InputError,
            "cannot be sharpened",
        ),
        (
            lambda: RadialVelocity().apply(
                np.linspace(5000, 6000, 99), spectrum(np.ones(99)), {"v": np.array([1.0])}
            ),
            InputError,
            "log_wavelengths",
        ),
        (
            lambda: Extinction(law="G24").apply(
                GRID, spectrum(gauss(0, 40)), {"A_V": np.array([1.0])}
            ),
            UnknownNameError,
            "G23",
        ),
        (
            lambda: Extinction(law="CCM89").apply(
                10 * GRID, spectrum(gauss(0, 40)), {"A_V": np.array([1.0])}
            ),
            InputError,
            "CCM89 .* outside of range",
        ),
        (
            lambda: Extinction(R_V=9).apply(GRID, spectrum(gauss(0, 40)), {"A_V": np.array([1.0])}),
            InputError,
            "R_V = 9: parameter Rv must be",
        ),
    ],
)
def test_errors_say_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make()
