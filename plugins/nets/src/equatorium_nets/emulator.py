"""Emulators that are networks: trained together, their answers one distribution."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf

from equatorium import Diagonal, Emulator, Gaussian, LowRank, Mixture, Prediction, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_nets.examples import examples, most_held
from equatorium_nets.fitting import (
    example_shape,
    held_out,
    input_ivar,
    output_units,
    seeds_of,
    trained,
)
from equatorium_nets.heads import best_widening, head_named
from equatorium_nets.members import Members
from equatorium_nets.networks import Networks

_RANK = 32  # of the correlation between outputs, at most


class NetworkEmulator(Networks, Emulator):
    r"""Base class of emulators that are K networks of one architecture.

    Member k gives at every x the parts of a density of the outputs, in units of their spread; the
    whole is their mixture with equal weights. Of a `head` of one Gaussian,

    .. math:: \mu = \frac{1}{K} \sum_k \mu_k, \qquad
              \Sigma = D R D + \frac{1}{K} \sum_k (\mu_k - \mu)(\mu_k - \mu)^T, \qquad
              D^2_{jj} = \frac{c_j}{K} \sum_k \sigma_{kj}^2,

    where held-out runs give the factors c, which make them likeliest, and the correlation R of
    their errors, shrunk as Ledoit & Wolf say.

    Parameters
    ----------
    head : str or None
        What each network says of the outputs: ``"mse"`` (one width for all inputs), ``"gaussian"``
        (mean and width), ``"mixture"`` (of `parts` Gaussians). None is the method's own.
    parts : int
        Gaussians of a mixture.

    Attributes
    ----------
    weights_ : dict of ndarray, shapes (K, ...)
    widening_ : ndarray, shape (p,)
        The factors c.
    correlation_ : ndarray, shape (p, r)
        F of :math:`R = F F^T + \mathrm{diag}(1 - \sum_r F^2)`.
    history_ : dict of ndarray
        ``loss`` and ``validation_loss`` at every epoch.

    References
    ----------
    Lakshminarayanan B., Pritzel A. & Blundell C. 2017, NeurIPS 30, doi:10.48550/arXiv.1612.01474
    """

    HEAD: ClassVar[str] = "gaussian"
    EPOCHS: ClassVar[int] = 300

    def __init__(
        self,
        *,
        layers: str | None = None,
        head: str | None = None,
        parts: int = 3,
        shape: Sequence[int] | None = None,
        n_members: int = 5,
        epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        schedule: str = "cosine",
        decay: float = 1e-2,
        sparsity: float = 0.0,
        validation: float = 0.15,
        patience: int | None = 60,
        augment: Mapping[str, float] | None = None,
        adversarial: float = 0.0,
        mc_dropout: int = 0,
        checkpoint: str | None = None,
        device: str = "cpu",
        random_state: int | None = None,
        progress: bool = False,
    ) -> None:
        self.layers = layers
        self.head = head
        self.parts = parts
        self.shape = shape
        self.n_members = n_members
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.decay = decay
        self.sparsity = sparsity
        self.validation = validation
        self.patience = patience
        self.augment = augment
        self.adversarial = adversarial
        self.mc_dropout = mc_dropout
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any, *, noise: Any = None, ivar: Any = None) -> Self:
        """Learn the outputs as functions of the inputs.

        Parameters
        ----------
        X : array_like or h5py.Dataset, shape (n, d)
            A dataset stays in its file, and is read in batches.
        y : array_like, shape (n,) or (n, p)
        noise : array_like, shape (n,) or (n, p), optional
            The declared variance of y, independent between runs. It is no part of a prediction.
        ivar : array_like, shape (n, d) or (d,), optional
            Inverse variances of X, for the augmentation ``errors`` and for `adversarial`.
        """
        self._ivar = ivar
        try:
            return super().fit(X, y, noise=noise)
        finally:
            del self._ivar

    def _fit(self, X: Any, Y: FloatArray, noise: FloatArray | None) -> None:
        parts, head = self._parts, head_named(self._head)
        *seeds, rng = seeds_of(self.random_state, self.n_members)
        fit, held = held_out(len(X), self.validation, rng, most=most_held(X))
        rows = examples(X, fit, example_shape(self.shape, X.shape[1]))
        rows.with_errors(input_ivar(self._ivar, X))
        self.x_center_, self.x_scale_ = rows.center, rows.scale
        self.y_center_, self.y_scale_ = output_units(Y[fit])
        y = (Y - self.y_center_) / self.y_scale_
        declared = np.zeros_like(y) if noise is None else noise / self.y_scale_**2
        target, floor = _Table(y), None if noise is None else _Table(declared)

        def loss(out: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return head.loss(out, target(out, rows), floor and floor(out, rows), parts)

        numbers = head.numbers(Y.shape[1], parts)
        of = (Y, noise)
        members, self.history_ = trained(self, rows, numbers, loss, held, tuple(seeds), of)
        self.weights_ = members.arrays()
        self._judge(rows.take(held), y[held], declared[held])

    def _judge(self, x: FloatArray, y: FloatArray, noise: FloatArray) -> None:
        """Learn from held-out runs how wide the answers must be, and how outputs err together."""
        p = y.shape[1]
        self.widening_, self.correlation_ = np.ones(p), np.zeros((p, 0))
        if not len(x):
            return
        numbers = head_named(self._head).numbers(p, self._parts)
        module = self._built(self.n_features_in_, numbers, self.weights_)
        share, mean, variance = (
            a.numpy() for a in _in_blocks(lambda rows: self._parts_at(module, rows, p), x, module)
        )
        self.widening_ = best_widening(share, mean, variance, y, noise)
        if self._head != "mixture" and p > 1:
            center = (share[..., None] * mean).sum(axis=0)
            total = (share[..., None] * variance).sum(axis=0) * self.widening_ + noise
            self.correlation_ = _shrunk((y - center) / np.sqrt(total))

    def _predict_dist(self, X: FloatArray) -> Prediction:
        share, mean, variance = _in_blocks(self._densities, X, self.module_)
        if self._head == "mixture":
            return Mixture(share.numpy(), mean.numpy(), [Diagonal(v.numpy()) for v in variance])
        center, alone, factor = self._moments(share, mean, variance)
        return Gaussian(center.numpy(), LowRank(alone.numpy(), factor.numpy()))

    def predict_members(self, X: Any) -> FloatArray:
        """Return every member's mean, shape (K, m, p)."""
        X = self._validate_query(X)
        share, mean, _ = _in_blocks(self._densities, X, self.module_)
        k = self.module_.n
        weighted = (k * share[..., None] * mean).unflatten(0, (k, -1)).sum(dim=1)
        return np.asarray(weighted.numpy())

    def predict_dist_vjp(self, X: Any, mean_bar: Any, cov_bar: Any) -> FloatArray:
        """Return the slope of sum(mean mean_bar) + sum(cov cov_bar) with X, shape (m, d).

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : array_like, shape (m, p)
        cov_bar : array_like, shape (m, p, p)
        """
        x = torch.from_numpy(self._validate_query(X)).requires_grad_()
        center, alone, factor = self._moments(*self._densities(x))
        of_mean, of_cov = (center.new_tensor(np.asarray(a)) for a in (mean_bar, cov_bar))
        total = (
            (center * of_mean).sum()
            + (alone * of_cov.diagonal(dim1=1, dim2=2)).sum()
            + (factor * (of_cov @ factor)).sum()
        )
        (slope,) = torch.autograd.grad(total, x)
        return np.asarray(slope.numpy())

    def _numbers_of(self, state: Mapping[str, Any]) -> int:
        p = state.get("n_outputs_")
        for name in ("y_center_", "y_scale_", "widening_"):
            state_array(state, name, (p,))
        factor = state_array(state, "correlation_", (p, None))
        positive = (state["y_scale_"] > 0).all() and (state["widening_"] > 0).all()
        if not positive or ((factor**2).sum(axis=1) > 1 + 1e-9).any():
            raise StateError(
                "'y_scale_' and 'widening_' of the state must be positive, and 'correlation_' "
                "must be one."
            )
        return head_named(self._head).numbers(int(p or 0), self._parts)

    @property
    def _head(self) -> str:
        return self.HEAD if self.head is None else self.head

    @property
    def _parts(self) -> int:
        if self._head != "mixture":
            return 1
        if not isinstance(self.parts, int | np.integer) or self.parts < 1:
            raise InputError(f"parts must be a whole number from 1, not {self.parts!r}.")
        return int(self.parts)

    def _parts_at(self, module: Members, x: torch.Tensor, p: int) -> tuple[torch.Tensor, ...]:
        """Return weights (C, m), means and variances (C, m, p) at scaled inputs (m, d)."""
        out = module.shared(x.to(module.weights[0].device))
        return tuple(
            a if a.requires_grad and x.requires_grad else a.detach()
            for a in head_named(self._head).parts_of(out, p, self._parts)
        )

    def _densities(self, X: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the same at inputs as they come, in the units of the outputs."""
        x = (X - torch.from_numpy(self.x_center_)) / torch.from_numpy(self.x_scale_)
        share, mean, variance = self._parts_at(self.module_, x, self.n_outputs_)
        center, scale, widening = (
            mean.new_tensor(a) for a in (self.y_center_, self.y_scale_, self.widening_)
        )
        return share, center + scale * mean, variance * widening * scale**2

    def _moments(
        self, share: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mean (m, p), and diagonal (m, p) and factor (m, p, r) of the covariance."""
        weight = share[..., None]
        center, own = (weight * mean).sum(dim=0), (weight * variance).sum(dim=0)
        together = mean.new_tensor(self.correlation_)
        alone = own * (1.0 - (together**2).sum(dim=1)).clamp(min=0.0)
        spread = (weight.sqrt() * (mean - center)).movedim(0, -1)
        return center, alone, torch.cat([own.sqrt()[..., None] * together, spread], dim=-1)


class _Table:
    """Rows of an array, on the device and in the precision of what asks for them."""

    def __init__(self, values: FloatArray) -> None:
        self.values: Any = torch.from_numpy(values)

    def __call__(self, like: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        self.values = self.values.to(like)
        found: torch.Tensor = self.values[rows]
        return found


def _in_blocks(
    of: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], X: FloatArray, module: Members
) -> tuple[torch.Tensor, ...]:
    """Return the arrays (C, m, ...) that a function gives of rows, computed some rows at a time."""
    size = module.rows
    with torch.no_grad():
        each = [of(torch.from_numpy(X[start : start + size])) for start in range(0, len(X), size)]
    return tuple(torch.cat(parts, dim=1).cpu() for parts in zip(*each, strict=True))


def _shrunk(z: FloatArray) -> FloatArray:
    """Return F (p, r) of the shrunk correlation of errors z (n, p): R = F F^T + diagonal."""
    n, p = z.shape
    size = np.sqrt((z**2).mean(axis=0))
    z = z / np.where(size > 0, size, 1.0)
    R, _ = ledoit_wolf(z, assume_centered=True) if n > 1 else (np.eye(p), 1.0)
    width = np.sqrt(np.diagonal(R))
    values, vectors = np.linalg.eigh(R / np.outer(width, width))
    top = np.argsort(values)[::-1][: min(p, _RANK)]
    factor = vectors[:, top] * np.sqrt(np.maximum(values[top] - values.min(), 0.0))
    return np.asarray(factor[:, values[top] > values.min()])
