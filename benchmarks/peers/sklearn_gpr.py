"""scikit-learn: constant times an anisotropic Matern-5/2 plus white noise, one for all outputs."""

import numpy as np
from harness import run
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel


def fit(X, Y):
    matern = Matern(np.ones(X.shape[1]), (1e-2, 1e3), nu=2.5)
    kernel = ConstantKernel(1.0, (1e-3, 1e5)) * matern + WhiteKernel(1e-4, (1e-10, 1.0))
    model = GaussianProcessRegressor(kernel, normalize_y=True).fit(X, Y)

    def predict(Xt):
        mean, std = model.predict(Xt, return_std=True)
        return mean.reshape(len(Xt), -1), std.reshape(len(Xt), -1)

    return predict


run(fit)
