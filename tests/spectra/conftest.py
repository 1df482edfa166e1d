import numpy as np
import pytest

import equatorium as eq
from equatorium.interfaces.emulator import Emulator
from equatorium.spectra.wavelength import log_wavelengths


class Lines(Emulator):
    """Absorption lines linear in two labels, uncertain in k smooth shared ways and in each pixel.

    It learns nothing: an emulator whose answers are known.
    """

    def __init__(self, wavelength=None, k=3, pixel=0.003):
        self.wavelength = wavelength
        self.k = k
        self.pixel = pixel

    def _fit(self, X, Y, noise):
        self.grid_ = np.asarray(self.wavelength)

    def line(self, centre, width):
        return np.exp(-0.5 * ((self.grid_ - centre) / width) ** 2)

    def _predict_dist(self, X):
        low, span = self.grid_[0], np.ptp(self.grid_)
        at = low + span * np.linspace(0.1, 0.9, 9)
        depth = 0.2 + 0.5 * X[:, :1] * np.arange(1, 10) / 9
        depth = depth + 0.3 * X[:, 1:] * (np.arange(9) % 2)
        mean = 1 - depth @ np.stack([self.line(a, 1.5) for a in at])
        shared = np.stack([self.line(low + span * c, 0.2 * span) for c in (0.2, 0.5, 0.8)], -1)
        factor = 0.01 * shared[:, : self.k] * (1 + X[:, :1, None])
        return eq.Gaussian(mean, eq.LowRank(np.full(mean.shape, self.pixel**2), factor))


@pytest.fixture(scope="session")
def stars():
    """A surrogate of spectra from 5000 to 5100 Angstrom in steps of 30 km/s."""
    grid = log_wavelengths(5000.0, 5100.0, 30.0)
    space = eq.Space([eq.Parameter("teff", 4000, 7000), eq.Parameter("feh", -2, 0.5)])
    names = [f"pixel{i}" for i in range(grid.size)]
    outputs = eq.Outputs(names, {"wavelength": grid}, {"wavelength": "Angstrom"})
    X = space.sample(8, 0)
    runs = eq.Runs(space, outputs, X, np.zeros((8, grid.size)))
    return eq.Surrogate.fitted(runs, Lines(list(grid)))
