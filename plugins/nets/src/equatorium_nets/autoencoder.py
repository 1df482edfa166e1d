r"""The two networks of a variational autoencoder, each a correction of something linear.

Rows x (p values with variances V of their errors, labels c) come from coordinates z,

.. math:: x_j = g_j(z, c) + \epsilon_j, \quad g(z, c) = \mu + (z, c) W + f(z, c), \quad
          z \sim N(0, I), \quad \epsilon_j \sim N(0, s^2 + V_j).

With f = 0 the posterior of z is known, whatever was not observed (:math:`V_j = \infty`):
precision :math:`A = I + W D W^T`, mean :math:`z_0 = A^{-1} W D (x - \mu)`,
:math:`D = \mathrm{diag}(1 / (s^2 + V))`. The encoder is a network that corrects it: it sees
:math:`z_0`, what the linear map leaves, and how much each value weighs, and gives h and t of

.. math:: q(z | x) = N\left(z_0 + h,\; T A^{-1} T\right), \qquad T = \mathrm{diag}(e^t).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jvp, vmap

from equatorium.errors import InputError, StateError
from equatorium_nets.batch_norms import BatchNorm
from equatorium_nets.layers import Backbone, network
from equatorium_nets.linear_start import LinearStart
from equatorium_nets.members import Members, Weights
from equatorium_nets.process import seeded

Tensor = torch.Tensor
LEAST = 1e-3  # the smallest scatter, in units of the rows' spread
_NARROWEST = 3.0  # of |t|: a factor of 20 in width


class Autoencoder(nn.Module):
    """Encoder, decoder and bound of the log-likelihood; rows in units of their spread.

    Parameters
    ----------
    encoder, decoder : str
        Hidden layers, in words.
    p, k, c : int
        Values of a row, coordinates, labels.
    """

    def __init__(self, encoder: str, decoder: str, p: int, k: int, c: int) -> None:
        super().__init__()
        self.p, self.k, self.c = p, k, c
        self.encoder = network(encoder, (k + 2 * p + c,), 2 * k)
        self.decoder = network(decoder, (k + c,), p)
        if any(isinstance(part, Backbone) for part in (*self.encoder, *self.decoder)):
            raise InputError("the networks of an autoencoder begin linear, and hold no backbone.")
        if any(isinstance(part, BatchNorm) for part in self.modules()):
            raise InputError("the networks of an autoencoder hold no batch norms; write norm.")
        self.axes = nn.Parameter(torch.zeros(k + c, p))
        self.mean = nn.Parameter(torch.zeros(p))
        self.log_scatter = nn.Parameter(torch.zeros(1))

    @property
    def scatter2(self) -> Tensor:
        """The variance s^2."""
        return self.log_scatter.exp() ** 2 + LEAST**2

    def decode(self, zc: Tensor) -> Tensor:
        """Map coordinates and labels (..., k + c) to rows (..., p)."""
        found: Tensor = self.mean + zc @ self.axes + self.decoder(zc)
        return found

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Map rows to the mean (B, k) and a root U (B, k, k) of the covariance U U^T."""
        x, V, c = self.split(rows)
        weight = 1.0 / (self.scatter2 + V)
        W = self.axes[: self.k]
        R = x - self.mean - c @ self.axes[self.k :]
        A = torch.eye(self.k).to(W) + (weight[:, None] * W) @ W.T
        L = torch.linalg.cholesky(A)
        z0 = torch.cholesky_solve(((weight * R) @ W.T)[..., None], L)[..., 0]
        share = weight * self.scatter2
        seen = torch.cat([z0, share * (R - z0 @ W), share, c], dim=-1)
        h, t = self.encoder(seen).split(self.k, dim=-1)
        t = _NARROWEST * torch.tanh(t / _NARROWEST)
        eye = torch.eye(self.k).to(L).expand_as(L)
        root = torch.linalg.solve_triangular(L.mT, eye, upper=True)
        return z0 + h, t.exp()[..., None] * root

    def fit_term(self, x: Tensor, V: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Return log p(x | z) of the values observed, (...)."""
        total = self.scatter2 + V
        each = (x - self.decode(_joined(z, c))) ** 2 / total + (2 * torch.pi * total).log()
        return -0.5 * torch.where(torch.isfinite(V), each, 0.0).sum(dim=-1)

    def forward(self, rows: Tensor) -> Tensor:
        """Return minus the bound for rows (B, 2 p + c) of values, variances and labels, (B,)."""
        x, V, c = self.split(rows)
        m, U = self.encode(rows)
        source = None if self.training else torch.Generator().manual_seed(0)
        draw = torch.randn(m.shape, generator=source, dtype=torch.float32).to(m)
        z = m + (U @ draw[..., None])[..., 0]
        logdet = U.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        away = 0.5 * ((U**2).sum(dim=(-2, -1)) + (m**2).sum(dim=-1) - self.k) - logdet
        return away - self.fit_term(x, V, z, c)

    def jacobian(self, zc: Tensor, columns: int) -> Tensor:
        """Return dg/d(z, c) at every row, (B, p, columns): the first so many columns."""

        def along(tangent: Tensor) -> Tensor:
            return jvp(self.decode, (zc,), (tangent.expand_as(zc),))[1]

        return vmap(along, out_dims=-1)(torch.eye(zc.shape[1]).to(zc)[:columns])

    def refined(self, rows: Tensor, z: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Go uphill from z (B, k) to the posterior's mode; return it and the precision there.

        Steps are those of Gauss & Newton, damped as Levenberg & Marquardt say; one that leads
        downhill is not taken. The precision is I + J^T D J, (B, k, k).
        """
        damping = torch.full(z.shape[:1], 1e-3).to(z)
        height = self.height(rows, z)
        for _ in range(steps):
            slope, H = self._slope(rows, z)
            raised = H + torch.diag_embed(damping[:, None] * H.diagonal(dim1=-2, dim2=-1))
            trial = z + torch.linalg.solve(raised, slope[..., None])[..., 0]
            reached = self.height(rows, trial)
            better = reached > height
            z = torch.where(better[:, None], trial, z)
            height = torch.where(better, reached, height)
            damping = torch.where(better, damping / 10, damping * 10)
        return z, self._slope(rows, z)[1]

    def height(self, rows: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) + log p(z), the latter without its constant, (...)."""
        x, V, c = self.split(rows)
        return self.fit_term(x, V, z, c) - 0.5 * (z**2).sum(dim=-1)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split rows (B, 2 p + c) into values, variances and labels."""
        x, V, c = rows.split([self.p, self.p, self.c], dim=-1)
        return x, V, c

    def _slope(self, rows: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        x, V, c = self.split(rows)
        zc, weight = _joined(z, c), 1.0 / (self.scatter2 + V)
        J = self.jacobian(zc, self.k)
        slope = ((weight * (x - self.decode(zc)))[:, None] @ J)[:, 0] - z
        return slope, torch.eye(self.k).to(z) + J.mT @ (weight[..., None] * J)

    def start(self, linear: LinearStart) -> None:
        """Begin as a linear map: both networks give zero at first."""
        with torch.no_grad():
            for part in (self.encoder[-1], self.decoder[-1]):
                part.weight.zero_()
                part.bias.zero_()
            self.axes.copy_(torch.from_numpy(linear.axes))
            self.mean.copy_(torch.from_numpy(linear.mean))
            free = max(linear.scatter**2 - LEAST**2, 1e-2 * LEAST**2)
            self.log_scatter.fill_(0.5 * float(np.log(free)))


def _joined(z: Tensor, c: Tensor) -> Tensor:
    return torch.cat([z, c.expand(*z.shape[:-1], c.shape[-1])], dim=-1)


class Single(Members):
    """An autoencoder in the place of several networks, for `equatorium_nets.training`."""

    def __init__(self, plan: Autoencoder) -> None:
        nn.Module.__init__(self)
        weights = {name: w.detach()[None].clone() for name, w in plan.named_parameters()}
        self.shape = (2 * plan.p + plan.c,)
        self._plan = [plan]
        self.names = list(weights)
        self.weights = nn.ParameterList([nn.Parameter(w) for w in weights.values()])

    def penalised(self) -> Iterator[nn.Parameter]:
        """Yield the weights of the networks, no biases; the linear part is free."""
        return (w for name, w in self.named().items() if w.ndim > 2 and name != "axes")

    def exempt(self) -> Iterator[nn.Parameter]:
        """Yield what penalties are not on."""
        return (w for name, w in self.named().items() if w.ndim <= 2 or name == "axes")

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the bound for rows (1, B, ...), shape (1, B)."""
        return self.shared(x[0])

    def shared(self, x: Tensor) -> Tensor:
        """Return minus the bound for rows (B, ...), shape (1, B)."""
        weights: Weights = {name: w[0] for name, w in self.named().items()}
        loss: Tensor = functional_call(self._plan[0], weights, (x,))
        return loss[None]


def drawn(plan: Autoencoder, linear: LinearStart, seed: int) -> Single:
    """Draw the weights by PyTorch's rules for its layers, then begin as a linear map."""
    seeded(seed)
    plan = plan.to_empty(device="cpu").float()
    for part in plan.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    plan.start(linear)
    return Single(plan)


def filled(plan: Autoencoder, arrays: Any) -> Autoencoder:
    """Give a plan the weights of a state, after checking them.

    Raises
    ------
    StateError
        If they are not those of this architecture.
    """
    expected = {name: tuple(w.shape) for name, w in plan.named_parameters()}
    if not isinstance(arrays, Mapping) or set(arrays) != set(expected):
        raise StateError("the weights of the state are not those of this autoencoder.")
    for name, shape in expected.items():
        a = arrays[name]
        right = isinstance(a, np.ndarray) and a.dtype == np.float32 and a.shape == shape
        if not right or not np.isfinite(a).all():
            raise StateError(
                f"the weights {name!r} of the state must be finite, of type float32 and of "
                f"shape {shape}."
            )
    plan = plan.to_empty(device="cpu")
    plan.load_state_dict({name: torch.from_numpy(arrays[name].copy()) for name in expected})
    return plan
