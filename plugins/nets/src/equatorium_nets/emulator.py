"""Emulators that are networks: trained together, their answers one distribution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy.special import ndtri
from sklearn.covariance import ledoit_wolf

from equatorium import (
    Diagonal,
    Emulator,
    Gaussian,
    LowRank,
    Mixture,
    Prediction,
    Weighted,
    state_array,
)
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_nets.examples import most_held
from equatorium_nets.fitting import held_out, output_units, seeds_of, trained
from equatorium_nets.heads import HEADS, best_widening, head_named
from equatorium_nets.members import Members
from equatorium_nets.networks import Networks, checked_bar
from equatorium_nets.sampled import SAMPLED, Sampled, best_stretch, check_fractions

_VAST = 1e30
_RANK = 32  # of the correlation between outputs, at most


@dataclass(kw_only=True, eq=False, repr=False)
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
        (mean and width), ``"mixture"`` (of `parts` Gaussians), ``"quantile"`` (`parts` quantiles of
        each output), ``"flow"`` (a normalising flow of `parts` layers; needs zuko), ``"votes"``
        (shares of one: a Dirichlet distribution). None is the method's own.
    parts : int or None
        Gaussians, quantiles or layers of the head; None is the head's own, 3, 39 and 2.

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

    head: str | None = None
    parts: int | None = None

    @property
    def capabilities_(self) -> frozenset[str]:
        """What it can do with its head: not all of them know slopes, or noise."""
        of_class = super().capabilities_
        known = self._head in (*HEADS, *SAMPLED)
        return of_class & (head_named(self._head).can | {"missing"}) if known else of_class

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
        return self._fitted(super().fit, X, y, ivar, noise=noise)

    def _fit(self, X: Any, Y: FloatArray, noise: FloatArray | None) -> None:
        parts, head = self._parts, head_named(self._head)
        *seeds, rng = seeds_of(self.random_state, self.n_members)
        fit, held = held_out(len(X), self.validation, rng, most=most_held(X))
        rows = self._examples(X, fit)
        self.y_center_, self.y_scale_ = np.zeros(Y.shape[1]), np.ones(Y.shape[1])
        if head.fractions:
            check_fractions(Y)
        else:
            self.y_center_, self.y_scale_ = output_units(
                Y[fit], noise if noise is None else noise[fit]
            )
        y = (Y - self.y_center_) / self.y_scale_
        # What is larger than single precision can square says nothing either way.
        declared = (
            np.zeros_like(y) if noise is None else np.minimum(noise / self.y_scale_**2, _VAST)
        )
        target, floor = _Table(y), None if noise is None else _Table(declared)

        def loss(out: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return head.loss(out, target(out, rows), floor and floor(out, rows), parts)

        numbers = head.numbers(Y.shape[1], parts)
        of = (Y, noise)
        members, self.history_ = trained(self, rows, numbers, loss, held, tuple(seeds), of)
        self.weights_ = members.arrays()
        if self._head == "mse" and not len(held):
            # A width that nothing learns is that of the residuals, if nothing is held out.
            held = fit[:: -(-len(fit) // most_held(X))]
        self._judge(rows.take(held), y[held], declared[held])

    def _judge(self, x: FloatArray, y: FloatArray, noise: FloatArray) -> None:
        """Learn from held-out runs how wide the answers must be, and how outputs err together."""
        p = y.shape[1]
        self.widening_, self.correlation_ = np.ones(p), np.zeros((p, 0))
        if not len(x):
            return
        head = head_named(self._head)
        module = self._built(self.n_features_in_, head.numbers(p, self._parts), self.weights_)
        with torch.no_grad():
            given = torch.from_numpy(x)
            if isinstance(head, Sampled):
                self._judge_values(head, self._values_at(module, given, p), y)
                return
            share, mean, variance = (a.cpu().numpy() for a in self._parts_at(module, given, p))
        self.widening_ = best_widening(share, mean, variance, y, noise)
        if self._head != "mixture" and p > 1:
            center = (share[..., None] * mean).sum(axis=0)
            total = (share[..., None] * variance).sum(axis=0) * self.widening_ + noise
            self.correlation_ = _shrunk((y - center) / np.sqrt(total))

    def _judge_values(self, head: Sampled, values: FloatArray, y: FloatArray) -> None:
        if not head.fractions:
            self.widening_ = best_stretch(values, y)
        if head.correlated and y.shape[1] > 1:
            rank = (_stretched(values, self.widening_) < y).mean(axis=0)
            least = 0.5 / len(values)
            self.correlation_ = _shrunk(ndtri(rank.clip(least, 1.0 - least)))

    def _predict_dist(self, X: FloatArray) -> Prediction:
        if isinstance(head_named(self._head), Sampled):
            return Weighted(self._values(X))
        with torch.no_grad():
            share, mean, variance = self._densities(_tensor(X))
            if self._head == "mixture":
                each = [Diagonal(v.cpu().numpy()) for v in variance]
                return Mixture(share.cpu().numpy(), mean.cpu().numpy(), each)
            center, alone, factor = self._moments(share, mean, variance)
        return Gaussian(center.cpu().numpy(), LowRank(alone.cpu().numpy(), factor.cpu().numpy()))

    def predict_members(self, X: Any) -> FloatArray:
        """Return every member's mean, shape (K, m, p)."""
        X = self._validate_query(X)
        if isinstance(head_named(self._head), Sampled):
            values = self._values(X)
            return np.asarray(values.reshape(self.module_.n, -1, *values.shape[1:]).mean(axis=1))
        with torch.no_grad():
            share, mean, _ = self._densities(_tensor(X))
        k = self.module_.n
        weighted = (k * share[..., None] * mean).unflatten(0, (k, -1)).sum(dim=1)
        return np.asarray(weighted.cpu().numpy())

    def predict_dist_vjp(self, X: Any, mean_bar: Any, cov_bar: Any) -> FloatArray:
        """Return the slope of sum(mean mean_bar) + sum(cov cov_bar) with X, shape (m, d).

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : array_like, shape (m, p)
        cov_bar : array_like, shape (m, p, p)

        Raises
        ------
        InputError
            If the head has no slope.
        """
        if "gradient" not in head_named(self._head).can:
            raise InputError(f"the head {self._head!r} knows no slope; take {', '.join(HEADS)}.")
        x = torch.from_numpy(np.array(self._validate_query(X))).requires_grad_()
        m, p = len(x), self.n_outputs_
        bars = checked_bar(mean_bar, "mean_bar", (m, p)), checked_bar(cov_bar, "cov_bar", (m, p, p))
        with torch.enable_grad():
            center, alone, factor = self._moments(*self._densities(x))
            of_mean, of_cov = (center.new_tensor(a) for a in bars)
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
        own, least = head_named(self._head).parts, 2 if self._head == "quantile" else 1
        if own == 1 or self.parts is None:
            return own
        if not isinstance(self.parts, int | np.integer) or self.parts < least:
            raise InputError(f"parts must be a whole number from {least}, not {self.parts!r}.")
        return int(self.parts)

    def _values_at(self, module: Members, x: torch.Tensor, p: int) -> FloatArray:
        """Return values (s, m, p) at scaled inputs (m, d), in units of the outputs' spread."""
        head: Any = head_named(self._head)
        out = module.blocks(x.to(module.weights[0].device)).cpu()
        found: FloatArray = head.values(out, p, self._parts, self.correlation_)
        return found

    def _values(self, X: FloatArray) -> FloatArray:
        """Return them at inputs as they come, in the units of the outputs."""
        with torch.no_grad():
            x = torch.from_numpy(self._scaled(X))
            values = self._values_at(self.module_, x, self.n_outputs_)
        return self.y_center_ + self.y_scale_ * _stretched(values, self.widening_)

    def _parts_at(self, module: Members, x: torch.Tensor, p: int) -> tuple[torch.Tensor, ...]:
        """Return weights (C, m), means and variances (C, m, p) at scaled inputs (m, d)."""
        head: Any = head_named(self._head)
        parts: tuple[torch.Tensor, ...] = head.parts_of(
            module.blocks(x.to(module.weights[0].device)), p, self._parts
        )
        return parts

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
        spread = (weight.clamp(min=1e-300).sqrt() * (mean - center)).movedim(0, -1)
        return center, alone, torch.cat([own.sqrt()[..., None] * together, spread], dim=-1)


def _tensor(X: FloatArray) -> torch.Tensor:
    """Return a tensor, of a copy if X cannot be written to or is turned round."""
    return torch.from_numpy(np.require(X, requirements=["C", "W"]))


class _Table:
    """Rows of an array, on the device and in the precision of what asks for them."""

    def __init__(self, values: FloatArray) -> None:
        self.values: Any = torch.from_numpy(values)

    def __call__(self, like: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        self.values = self.values.to(like)
        found: torch.Tensor = self.values[rows]
        return found


def _stretched(values: FloatArray, widening: FloatArray) -> FloatArray:
    """Let values (s, m, p) stand further apart, around their mean."""
    if (widening == 1.0).all():
        return values
    middle = values.mean(axis=0)
    return np.asarray(middle + np.sqrt(widening) * (values - middle))


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
