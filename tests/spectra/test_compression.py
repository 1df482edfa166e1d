"""A spectrum reduced to its components says the same about the labels."""

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import InputError
from equatorium.spectra.compression import compressed
from equatorium.spectra.wavelength import log_wavelengths
from equatorium.testing.reference import ReferencePCA, ReferenceRidge


@pytest.fixture(scope="module")
def library():
    rng = np.random.default_rng(0)
    wave = log_wavelengths(5000, 5100, 20.0)
    space = eq.Space([eq.Parameter("teff", 4000, 7000), eq.Parameter("feh", -2, 0.5)])
    names = [f"pixel{i}" for i in range(wave.size)]
    outputs = eq.Outputs(names, {"wavelength": wave}, {"wavelength": "Angstrom"})
    X = space.sample(80, 1)
    shapes = np.sin(wave / np.array([[3.0], [5.0], [7.0]]))
    own = np.column_stack([space.to_unit(X), 0.1 * rng.standard_normal(80)])  # an unknown third
    Y = 1 + own @ shapes + 0.01 * rng.standard_normal((80, wave.size))
    emulator = eq.Embedded(ReferencePCA(n_components=3), ReferenceRidge())
    return eq.Surrogate.fitted(eq.Runs(space, outputs, X, Y), emulator), Y


def star(surrogate, y, error=0.02):
    coords = surrogate.outputs.coords
    return eq.Observation(y, np.full(y.size, error), coords, units={"wavelength": "Angstrom"})


def test_the_likelihood_of_components_is_that_of_pixels_up_to_a_constant(library):
    surrogate, Y = library
    seen = star(surrogate, Y[0]).subset(slice(10, 200, 2))
    small = compressed(surrogate, seen)
    theta = surrogate.space.sample(20, 2)
    whole = eq.GaussianLikelihood(surrogate, seen, override="same").log_likelihood(theta)
    few = eq.GaussianLikelihood(small.surrogate, small.observation, override="same")
    difference = whole - few.log_likelihood(theta)
    assert few.q == 3
    assert np.ptp(whole) > 1
    assert difference == pytest.approx(np.full(20, difference[0]), abs=1e-7)


def test_what_no_component_describes_is_told(library):
    surrogate, Y = library
    usual = compressed(surrogate, star(surrogate, Y[1]))
    strange = compressed(surrogate, star(surrogate, Y[1] + 0.1 * (np.arange(Y.shape[1]) % 2)))
    assert 0.05 < usual.chi2 / usual.dof < 1.5
    assert strange.chi2 > 3 * strange.dof


def test_an_emulator_without_components_is_refused(library):
    surrogate, Y = library
    plain = eq.Surrogate.fitted(
        eq.Runs(surrogate.space, surrogate.outputs, surrogate.space.sample(80, 1), Y),
        ReferenceRidge(),
    )
    with pytest.raises(InputError, match="Embedded"):
        compressed(plain, star(surrogate, Y[0]))
    with pytest.raises(InputError, match="fewer than the 3"):
        compressed(surrogate, star(surrogate, Y[0]).subset([0, 1]))
    with pytest.raises(InputError, match="observation"):
        compressed(surrogate, Y[0])
