"""GPyTorch: batched exact GPs, one Matern-5/2 kernel an output, as its regression tutorials do.

``adam``: float32 and all settings as they come, 200 steps of Adam at 0.1. ``lbfgs``: float64,
torch's L-BFGS with line search until it converges (200 iterations at most).
"""

import gpytorch
import torch
from harness import run


class Batched(gpytorch.models.ExactGP):
    def __init__(self, X, Y, likelihood):
        super().__init__(X, Y, likelihood)
        shape, d = torch.Size([len(Y)]), X.shape[-1]
        self.mean_module = gpytorch.means.ConstantMean(batch_shape=shape)
        matern = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=d, batch_shape=shape)
        self.covar_module = gpytorch.kernels.ScaleKernel(matern, batch_shape=shape)

    def forward(self, X):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


def fit(X, Y, optimiser):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dtype = torch.float32 if optimiser == "adam" else torch.float64
    centre, scale, p = Y.mean(axis=0), Y.std(axis=0), Y.shape[1]

    def tensor(Z):
        return torch.as_tensor(Z, dtype=dtype).expand(p, *Z.shape)

    targets = torch.as_tensor(((Y - centre) / scale).T, dtype=dtype).contiguous()
    likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=torch.Size([p]))
    model = Batched(tensor(X), targets, likelihood).to(dtype)
    model.train()
    density = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)

    def loss():
        optimise.zero_grad()
        value = -density(model(*model.train_inputs), targets).sum()
        value.backward()
        return value

    if optimiser == "adam":
        optimise = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(200):
            loss()
            optimise.step()
    else:
        optimise = torch.optim.LBFGS(
            model.parameters(), max_iter=200, line_search_fn="strong_wolfe"
        )
        optimise.step(loss)
    model.eval()

    def predict(Xt):
        with torch.no_grad(), gpytorch.settings.fast_pred_var():
            # In parts: the covariance of all points at once would not fit in memory.
            parts = [likelihood(model(tensor(Z))) for Z in split(Xt, 1000)]
            mean = torch.cat([part.mean for part in parts], dim=1).T.double().numpy()
            variance = torch.cat([part.variance for part in parts], dim=1).T.double().numpy()
        return mean * scale + centre, variance**0.5 * scale

    return predict


def split(X, size):
    return [X[start : start + size] for start in range(0, len(X), size)]


run(fit)
