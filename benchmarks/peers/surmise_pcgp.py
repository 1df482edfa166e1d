"""surmise: its default emulator PCGP, Gaussian processes of principal components."""

import numpy as np
import surmise
from harness import run
from surmise.emulation import emulator


def fit(X, Y):
    surmise.set_RNG(np.random.default_rng(0))
    places = np.arange(Y.shape[1], dtype=float)[:, None]
    model = emulator(x=places, theta=X, f=Y.T, method="PCGP")

    def predict(Xt):
        found = model.predict(places, Xt)
        return found.mean().T, np.sqrt(found.var().T)

    return predict


run(fit)
