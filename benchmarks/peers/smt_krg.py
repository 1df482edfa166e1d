"""SMT: its kriging KRG as it comes, one for each output (it takes a single one)."""

import numpy as np
from harness import run
from smt.surrogate_models import KRG


def fit(X, Y):
    models = []
    for y in Y.T:
        model = KRG(print_global=False)
        model.set_training_values(X, y)
        model.train()
        models.append(model)

    def predict(Xt):
        mean = np.column_stack([model.predict_values(Xt) for model in models])
        variance = np.column_stack([model.predict_variances(Xt) for model in models])
        return mean, np.sqrt(np.maximum(variance, 0))

    return predict


run(fit)
