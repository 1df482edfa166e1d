"""Heads whose answer is values with equal weights: quantiles, flows, vote fractions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc
from torch.nn.functional import softplus

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_nets import flow

Tensor = torch.Tensor
_DRAWS = 64  # of each network
_MOST_VOTES, _LOG_ALPHA = 1000.0, (-3.0, 7.0)


@dataclass(frozen=True)
class Sampled:
    """A head that gives values of the outputs.

    Attributes
    ----------
    parts : int
        Of what it is made, unless something else is asked for.
    numbers : callable
        (p, parts) -> how many numbers the network must give.
    loss : callable
        (out (..., q), y (..., p), noise (..., p) or None, parts) -> losses (...).
    values : callable
        (out (K, m, q), p, parts, F (p, r)) -> values (K s, m, p), all alike likely; F is the factor
        of the correlation between outputs that held-out errors show.
    fractions : bool
        Whether the outputs are shares of one, which are taken as they come.
    correlated : bool
        Whether it makes use of F.
    can : frozenset of str
        The capabilities that a network keeps with it.
    """

    parts: int
    numbers: Callable[[int, int], int]
    loss: Callable[[Tensor, Tensor, Tensor | None, int], Tensor]
    values: Callable[[Tensor, int, int, FloatArray], FloatArray]
    fractions: bool = False
    correlated: bool = False
    can: frozenset[str] = frozenset({"variance", "covariance", "gpu"})


def quantiles(out: Tensor, p: int, parts: int) -> Tensor:
    """Return quantiles (..., parts, p) that cannot cross, at the levels (l - 1/2) / parts.

    The steps between them are those of a normal distribution times positive numbers.
    """
    numbers = out.unflatten(-1, (parts, p))
    normal = numbers.new_tensor(np.diff(ndtri(_levels(parts))))
    steps = softplus(numbers[..., 1:, :]) / np.log(2.0) * normal[:, None]
    heights = torch.cat([torch.zeros_like(steps[..., :1, :]), steps.cumsum(-2)], dim=-2)
    middle = parts // 2
    return numbers[..., :1, :] + heights - heights[..., middle : middle + 1, :]


def pinball(out: Tensor, y: Tensor, noise: Tensor | None, parts: int) -> Tensor:
    """Return twice the mean pinball loss of all quantiles, summed over outputs: the CRPS.

    Koenker & Bassett 1978, Econometrica 46, 33, doi:10.2307/1913643
    """
    above = y[..., None, :] - quantiles(out, y.shape[-1], parts)
    level = out.new_tensor(_levels(parts))[:, None]
    return 2.0 * torch.maximum(level * above, (level - 1.0) * above).mean(-2).sum(-1)


def _levels(parts: int) -> FloatArray:
    return (np.arange(parts) + 0.5) / parts


def _quantile_values(out: Tensor, p: int, parts: int, F: FloatArray) -> FloatArray:
    """Draw every quantile once; outputs go together as normal variables of the correlation do."""
    values = quantiles(out, p, parts).movedim(2, 1).numpy()  # (K, parts, m, p)
    if p > 1:
        z = ndtri(_spaced(len(out) * parts, p + F.shape[1])).reshape(len(out), parts, -1)
        alone = np.sqrt(np.maximum(1.0 - (F**2).sum(axis=1), 0.0))
        together = alone * z[..., :p] + z[..., p:] @ F.T
        rank = together.argsort(axis=1).argsort(axis=1)[:, :, None, :]
        values = np.take_along_axis(values, rank, axis=1)
    return values.reshape(-1, *values.shape[2:])


def _flow_values(out: Tensor, p: int, parts: int, F: FloatArray) -> FloatArray:
    if p == 1:
        u = np.broadcast_to(_levels(_DRAWS)[:, None], (len(out), _DRAWS, 1))
    else:
        u = _spaced(len(out) * _DRAWS, p).reshape(len(out), _DRAWS, p)
    z = out.new_tensor(ndtri(u))[:, :, None, :]  # (K, s, 1, p)
    values = flow.backward(out[:, None], z.expand(-1, -1, out.shape[1], -1), parts)
    return values.flatten(0, 1).numpy()


def _votes_loss(out: Tensor, y: Tensor, noise: Tensor | None, parts: int) -> Tensor:
    """Return minus the log Dirichlet-multinomial probability, but for what no weight changes.

    The declared noise says how many votes there were, a quarter over their number being the
    variance of a share of one half; without it, every row counts as a thousand votes.
    """
    alpha = _alpha(out)
    votes = y.new_full(y.shape[:-1], _MOST_VOTES)
    if noise is not None:
        votes = (0.25 / noise.mean(-1)).clamp(max=_MOST_VOTES)
    total = alpha.sum(-1)
    each = torch.lgamma(votes[..., None] * y + alpha) - torch.lgamma(alpha)
    return torch.lgamma(votes + total) - torch.lgamma(total) - each.sum(-1)


def _vote_values(out: Tensor, p: int, parts: int, F: FloatArray) -> FloatArray:
    u = _spaced(len(out) * _DRAWS, p).reshape(len(out), _DRAWS, 1, p)
    gamma = gammaincinv(_alpha(out)[:, None].numpy(), u)
    shares: FloatArray = gamma / gamma.sum(axis=-1, keepdims=True)
    return shares.reshape(-1, *shares.shape[2:])


def _alpha(out: Tensor) -> Tensor:
    return out.clamp(*_LOG_ALPHA).exp()


def _spaced(n: int, d: int) -> FloatArray:
    """Return n evenly spread points of the unit cube (n, d), always the same."""
    return np.asarray(qmc.Halton(d, rng=np.random.default_rng(1)).random(n)).clip(1e-12, 1 - 1e-12)


SAMPLED: Mapping[str, Sampled] = MappingProxyType(
    {
        "quantile": Sampled(
            39, lambda p, parts: p * parts, pinball, _quantile_values, correlated=True
        ),
        "flow": Sampled(2, flow.numbers, flow.loss, _flow_values),
        "votes": Sampled(
            1,
            lambda p, parts: p,
            _votes_loss,
            _vote_values,
            fractions=True,
            can=frozenset({"variance", "covariance", "gpu", "noise"}),
        ),
    }
)


def check_fractions(Y: FloatArray) -> None:
    """Check that rows are shares of one.

    Raises
    ------
    InputError
    """
    right = Y.shape[1] > 1 and (Y >= 0).all() and np.allclose(Y.sum(axis=1), 1.0, atol=1e-6)
    if not right:
        raise InputError(
            "the head 'votes' needs y of two or more columns whose rows are shares of one: the "
            "votes for every answer over all votes."
        )


def best_stretch(values: FloatArray, y: FloatArray) -> FloatArray:
    """Return by which factor of the variances held-out values have the smallest CRPS, (p,).

    Parameters
    ----------
    values : ndarray, shape (s, m, p)
    y : ndarray, shape (m, p)
    """
    s = len(values)
    middle = values.mean(axis=0)
    apart = np.sort(values, axis=0) - middle
    weight = (2.0 * np.arange(1, s + 1) - s - 1.0) / s**2
    own = np.einsum("s,smp->p", weight, apart) / len(y)  # half the mean distance of two values
    tries = np.geomspace(1e-2, 1e2, 65)
    scores = np.stack([_crps(apart, y - middle, own, factor) for factor in np.sqrt(tries)])
    belief = 0.5 * (np.log(tries) / 3.0) ** 2  # one example's worth that it is of the order of 1
    total = len(y) * np.log(np.maximum(scores, 1e-12)) + belief[:, None]
    return np.asarray(tries[np.argmin(total, axis=0)])


def _crps(apart: FloatArray, error: FloatArray, own: FloatArray, factor: Any) -> FloatArray:
    return np.asarray(np.abs(factor * apart - error).mean(axis=(0, 1)) - factor * own)
