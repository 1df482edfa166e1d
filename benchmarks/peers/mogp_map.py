"""mogp-emulator: its Gaussian processes with adaptive nugget, one for each output.

``default``: all as it comes (15 starts drawn from its priors). ``theta0``: one start at
correlation lengths of one, since the default starts seldom leave the flat part of the likelihood.
"""

import mogp_emulator
import numpy as np
from harness import run


def fit(X, Y, start):
    np.random.seed(0)  # noqa: NPY002
    centre, scale = Y.mean(axis=0), Y.std(axis=0)
    models = []
    for y in ((Y - centre) / scale).T:
        model = mogp_emulator.GaussianProcess(X, y)
        if start == "theta0":
            theta0 = np.zeros(model.n_params)
            model = mogp_emulator.fit_GP_MAP(model, n_tries=1, theta0=theta0)
        else:
            model = mogp_emulator.fit_GP_MAP(model)
        models.append(model)

    def predict(Xt):
        found = [model.predict(Xt) for model in models]
        mean = np.column_stack([f.mean for f in found])
        variance = np.column_stack([f.unc for f in found])
        return mean * scale + centre, np.sqrt(np.maximum(variance, 0)) * scale

    return predict


run(fit)
