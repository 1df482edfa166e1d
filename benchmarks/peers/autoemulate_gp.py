"""autoemulate: its GaussianProcessMatern32 (one kernel an output), as it comes, untuned."""

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

    def predict(Xt):
        found = model.predict(torch.as_tensor(Xt, dtype=torch.float32))
        mean, variance = (t.detach().double().numpy() for t in (found.mean, found.variance))
        return mean, np.sqrt(variance)

    return predict


run(fit)
