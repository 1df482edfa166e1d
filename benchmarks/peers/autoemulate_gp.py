"""autoemulate: its GaussianProcessMatern32 (one kernel an output), as it comes, untuned.

Points are predicted 500 at a time, which is faster than all at once.
"""

import numpy as np
import torch
from autoemulate.emulators import GaussianProcessMatern32
from harness import run


def fit(X, Y):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(Y, dtype=torch.float32)
    model = GaussianProcessMatern32(x, y)
    model.fit(x, y)

    def some(Xt):
        found = model.predict(torch.as_tensor(Xt, dtype=torch.float32))
        return [t.detach().double().numpy() for t in (found.mean, found.variance)]

    def predict(Xt):
        parts = [some(Xt[start : start + 500]) for start in range(0, len(Xt), 500)]
        mean, variance = (np.concatenate(part) for part in zip(*parts))  # noqa: B905
        return mean, np.sqrt(variance)

    return predict


run(fit)
