"""Ours: the method named, with options as JSON, or with its defaults."""

import json

from harness import run

import equatorium as eq


def fit(X, Y, method, options="{}"):
    model = eq.emulator(method, **json.loads(options)).fit(X, Y)

    def predict(Xt):
        mean, std = model.predict(Xt, return_std=True)
        return mean.reshape(len(Xt), -1), std.reshape(len(Xt), -1)

    return predict


run(fit)
