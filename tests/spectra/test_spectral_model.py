"""Emulated spectra in a likelihood: the dense numbers, and labels found again."""

import numpy as np
import pytest
from astropy import units
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, NotValidatedError
from equatorium.records.covariance import Banded
from equatorium.spectra.kernels import LineSpread, RadialVelocity, Rotation
from equatorium.spectra.multiplying import Extinction, FreeContinuum
from equatorium.spectra.spectral_model import SpectralModel

PIXELS = np.linspace(5010.0, 5090.0, 100)
KERNELS = (Rotation(), RadialVelocity(), LineSpread())
TRUTH = np.array([[5500.0, -0.5, 60.0, -35.0, 6000.0]])
LABELS = [
    eq.Parameter("teff", 4000, 7000, unit="K"),
    eq.Parameter("feh", -2, 0.5, unit="dex"),
    eq.Parameter("vsini", 0, 200, unit="km/s"),
    eq.Parameter("v", -200, 200, unit="km/s"),
    eq.Parameter("resolution", 3000, 12000),
]


def observed(model, error=0.01, factor=1.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = model.predict(TRUTH)
    y = truth.sample(1, rng)[0, 0] * factor + error * rng.standard_normal(truth.p)
    coords = {"wavelength": model.wavelength}
    return eq.Observation(y, np.full(truth.p, error), coords, units={"wavelength": "Angstrom"})


def test_its_parameters_are_those_of_the_emulator_and_of_the_operators(stars):
    model = SpectralModel(stars, PIXELS, (*KERNELS, FreeContinuum(3)))
    assert model.names == ("teff", "feh", "vsini", "v", "resolution")
    assert model.outputs.coords["wavelength"] == pytest.approx(PIXELS)


def test_without_operators_it_is_the_emulator(stars):
    theta = stars.space.sample(3, 1)
    own, seen = stars.predict(theta), SpectralModel(stars).predict(theta)
    assert np.array_equal(own.mean, seen.mean)
    assert np.array_equal(own.cov().dense(), seen.cov().dense())


def test_the_likelihood_is_that_of_the_dense_covariance(stars):
    model = SpectralModel(stars, PIXELS, (*KERNELS, FreeContinuum(2)), margin=300)
    observation = observed(model)
    likelihood = eq.GaussianLikelihood(model, observation, override="known")
    theta = np.repeat(TRUTH, 3, axis=0) * [[1.0, 1.0, 1.0, 1.0, 1.0], [1.01] * 5, [0.97] * 5]
    seen = model.predict(theta)
    expected = [
        stats.multivariate_normal(m, S + 1e-4 * np.eye(100)).logpdf(observation.values)
        for m, S in zip(seen.mean, seen.cov().dense(), strict=True)
    ]
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-9)


def test_emcee_finds_labels_rotation_and_velocity_by_name(stars):
    model = SpectralModel(stars, PIXELS, (*KERNELS, FreeContinuum(1, 0.2)), margin=300)
    observation = observed(model, factor=1.05 + 0.1 * np.linspace(-1, 1, PIXELS.size))
    likelihood = eq.GaussianLikelihood(model, observation, override="known")
    posterior = eq.Posterior(eq.Space(LABELS, fixed={"resolution": 6000.0}), likelihood)
    sampler = eq.sampler("emcee", walkers=10, until={"rhat": 1.2, "ess": 40}, first_check=50)
    draws = sampler.run(posterior, rng=1, progress=False)
    z = (TRUTH[0, :4] - draws.flat.mean(axis=0)) / draws.flat.std(axis=0)
    assert (np.square(z) < stats.chi2(1).ppf(1 - 0.001 / 4)).all(), z
    assert (draws.flat.std(axis=0) < [500, 0.5, 20, 5]).all()


def test_pixels_beside_a_gap_see_nothing_of_it(stars):
    seen = np.ones(PIXELS.size, dtype=bool)
    seen[[20, 21, 22, 60]] = False
    whole = SpectralModel(stars, PIXELS, KERNELS).predict(TRUTH)
    gappy = SpectralModel(stars, PIXELS[seen], KERNELS).predict(TRUTH)
    assert gappy.mean == pytest.approx(whole.mean[:, seen], rel=1e-12)
    assert gappy.variance == pytest.approx(whole.variance[:, seen], rel=1e-12)


def test_an_emulator_that_was_not_judged_is_refused(stars):
    model = SpectralModel(stars, PIXELS)
    with pytest.raises(NotValidatedError, match="no report"):
        eq.GaussianLikelihood(model, observed(SpectralModel(stars, PIXELS, KERNELS)))


def test_pixels_beyond_the_emulated_ones_are_refused(stars):
    with pytest.raises(InputError, match=r"2 of the 100.*Leave them out"):
        SpectralModel(stars, np.append(PIXELS[:-2], [5101.0, 5102.0]))
    with pytest.raises(InputError, match="margin of 2000 km/s"):
        SpectralModel(stars, PIXELS, margin=2000)


def test_shifts_that_bring_in_what_was_not_emulated_are_refused(stars):
    model = SpectralModel(stars, PIXELS, [RadialVelocity()], margin=400)
    # The pixels begin 10 Angstrom inside: the model reaches there by a shift of about 590 km/s.
    model.predict([[5500.0, -0.5, 550.0], [5500.0, -0.5, -550.0]])
    for v in (650.0, -650.0):
        with pytest.raises(InputError, match=r"room for velocities from -5\d\d"):
            model.predict([[5500.0, -0.5, 0.0], [5500.0, -0.5, v]])
    with pytest.raises(InputError, match="margin"):
        SpectralModel(stars, PIXELS, margin=np.nan)
    with pytest.raises(InputError, match="margin"):
        SpectralModel(stars, PIXELS, margin=-100.0)
    with pytest.raises(InputError, match="margin must hold real numbers"):
        SpectralModel(stars, PIXELS, margin="wide")


def test_without_pixels_of_ones_own_they_are_those_that_the_margin_leaves(stars):
    whole = SpectralModel(stars, operators=[RadialVelocity()])
    with pytest.raises(InputError, match="margin="):
        whole.predict([[5500.0, -0.5, 100.0]])
    inner, grid = SpectralModel(stars, None, [RadialVelocity()], margin=290), whole.wavelength
    assert np.array_equal(inner.wavelength, grid[10:-10])  # pixels are 30 km/s wide
    theta = [[5500.0, -0.5, 290.0], [5500.0, -0.5, -290.0]]
    given = SpectralModel(stars, grid[10:-10], [RadialVelocity()], margin=290)
    assert np.array_equal(inner.predict(theta).mean, given.predict(theta).mean)
    with pytest.raises(InputError, match="room for velocities"):
        inner.predict([[5500.0, -0.5, 330.0]])


def test_dust_in_another_unit_is_refused(stars):
    SpectralModel(stars, PIXELS, [Extinction()])
    with pytest.raises(InputError, match=r"Extinction\(unit='Angstrom'\)"):
        SpectralModel(stars, PIXELS, [Extinction(unit="nm")])


def test_pixels_are_converted_and_a_model_is_shown_in_a_line(stars):
    model = SpectralModel(stars, PIXELS / 10 * units.nm, [Rotation()])
    assert model.wavelength == pytest.approx(PIXELS, rel=1e-14)
    shown = f"teff, feh, vsini: {PIXELS.size} pixels, {PIXELS[0]:g} to {PIXELS[-1]:g}"
    assert repr(model) == f"SpectralModel({shown})"
    with pytest.raises(InputError, match="operators must be of the type Sequence"):
        SpectralModel(stars, PIXELS, Rotation())


def test_data_at_other_wavelengths_are_refused(stars):
    data = observed(SpectralModel(stars, PIXELS + 0.1, KERNELS))
    with pytest.raises(InputError, match="do not have their wavelengths"):
        eq.GaussianLikelihood(SpectralModel(stars, PIXELS), data, override="known")
    nm = eq.Observation(data.values, data.errors, data.coords, units={"wavelength": "nm"})
    with pytest.raises(InputError, match="'nm'"):
        eq.GaussianLikelihood(SpectralModel(stars, PIXELS + 0.1), nm, override="known")


def test_noise_along_the_wavelength_needs_no_matrix_of_pixels_either(stars, monkeypatch):
    pixels = np.linspace(5010.0, 5090.0, 700)
    model = SpectralModel(stars, pixels, (*KERNELS, FreeContinuum(2)), margin=300)
    noise = eq.Discrepancy(length={"wavelength": 0.5})
    theta = np.column_stack([np.repeat(TRUTH, 4, axis=0), [0.0, 0.005, 0.01, 0.03]])
    likelihood = eq.GaussianLikelihood(
        model, observed(model), noise, override="known", free={"std": "s"}
    )
    assert likelihood.names == (*model.names, "s")
    expected = []
    seen = model.predict(theta[:, :5])
    lag = np.sqrt(5) * np.abs(pixels[:, None] - pixels) / 0.5
    matern = (1 + lag + lag**2 / 3) * np.exp(-lag)
    for i, s in enumerate(theta[:, 5]):
        S = seen.cov().dense()[i] + 1e-4 * np.eye(700) + s**2 * matern
        r = likelihood.observation.values - seen.mean[i]
        log_det = np.linalg.slogdet(2 * np.pi * S)[1]
        expected.append(-0.5 * (r @ np.linalg.solve(S, r) + log_det))

    def forbid(*_):
        raise AssertionError("a matrix of pixels by pixels was asked for")

    for cls in (eq.Dense, eq.LowRank, Banded):
        monkeypatch.setattr(cls, "dense", forbid)
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-8)
