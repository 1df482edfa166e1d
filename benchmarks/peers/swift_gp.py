"""SwiftEmulator: its GaussianProcessEmulator with a linear mean, one for each output.

Outputs are standardised (it works in float32) and have errors of 0.001, else it often finds
its matrix indefinite. The independent variable that it wants is constant.
"""

import numpy as np
from harness import run
from swiftemulator.backend.model_parameters import ModelParameters
from swiftemulator.backend.model_specification import ModelSpecification
from swiftemulator.backend.model_values import ModelValues
from swiftemulator.emulators.gaussian_process import GaussianProcessEmulator
from swiftemulator.mean_models import LinearMeanModel

ERROR = np.array([1e-3])


def fit(X, Y):
    d = X.shape[1]
    names = [f"x{i}" for i in range(d)]

    def point(x):
        return dict(zip(names, x, strict=True))

    centre, scale = Y.mean(axis=0), Y.std(axis=0)
    specification = ModelSpecification(d, names, [[0.0, 1.0]] * d)
    parameters = ModelParameters({i: point(x) for i, x in enumerate(X)})
    here, models = np.array([0.0]), []
    for y in ((Y - centre) / scale).T:
        runs = {
            i: {"independent": here, "dependent": y[i : i + 1], "dependent_error": ERROR}
            for i in range(len(X))
        }
        values = ModelValues(runs)
        model = GaussianProcessEmulator(mean_model=LinearMeanModel())
        model.fit_model(specification, parameters, values)
        models.append(model)

    def predict(Xt):
        found = [[model.predict_values(here, point(x)) for model in models] for x in Xt]
        found = np.array(found, dtype=float)[..., 0]
        mean, variance = found[..., 0], np.maximum(found[..., 1], 0)
        return mean * scale + centre, np.sqrt(variance) * scale

    return predict


run(fit)
