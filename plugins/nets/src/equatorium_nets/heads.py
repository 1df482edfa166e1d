"""What the last numbers of a network mean: a density of the outputs, or the odds of classes.

A density is a mixture of Gaussians in units of the outputs' spread, of one or several parts, each
with independent outputs; a loss is its negative logarithm, so that mean-squared error is the loss
of one Gaussian whose width does not depend on the input. Heads that give values instead of a
formula are in `sampled`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from scipy.special import logsumexp, softmax

from equatorium.checks import FloatArray
from equatorium.errors import InputError, did_you_mean
from equatorium_nets.sampled import SAMPLED, Sampled

Tensor = torch.Tensor
_LOWEST, _HIGHEST = -14.0, 8.0  # of a log variance: no width is learned as zero


@dataclass(frozen=True)
class Density:
    """A head that gives the parts of a mixture of Gaussians.

    Attributes
    ----------
    numbers : callable
        (p, parts) -> how many numbers the network must give.
    split : callable
        (out (..., q), p, parts) -> log weights (..., parts), means (..., parts, p), log variances
        of the shape of the means.
    parts : int
        How many, unless something else is asked for.
    """

    numbers: Callable[[int, int], int]
    split: Callable[[Tensor, int, int], tuple[Tensor, Tensor, Tensor]]
    parts: int = 1
    fractions: ClassVar[bool] = False
    can: ClassVar[frozenset[str]] = frozenset(
        {"variance", "covariance", "gpu", "noise", "gradient"}
    )

    def loss(self, out: Tensor, y: Tensor, noise: Tensor | None, parts: int) -> Tensor:
        """Return minus the log density of every example, shape (...).

        Parameters
        ----------
        out : Tensor, shape (..., q)
        y : Tensor, shape (..., p)
        noise : Tensor, shape (..., p), or None
            Declared variance, which is not for the network to learn.
        parts : int
        """
        weight, mean, log_variance = self.split(out, y.shape[-1], parts)
        variance = log_variance.exp()
        if noise is not None:
            variance = variance + noise[..., None, :]
        misfit = (y[..., None, :] - mean) ** 2 / variance + variance.log()
        return -torch.logsumexp(weight - 0.5 * misfit.sum(-1), dim=-1)

    def parts_of(self, out: Tensor, p: int, parts: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return weights (C, m), means (C, m, p), variances: all parts of all members alike.

        Parameters
        ----------
        out : Tensor, shape (K, m, q)
        p, parts : int
        """
        weight, mean, log_variance = self.split(out, p, parts)
        share = (weight.exp() / len(out)).movedim(-1, 1).flatten(0, 1)
        return (
            share,
            mean.movedim(-2, 1).flatten(0, 1),
            log_variance.exp().movedim(-2, 1).flatten(0, 1),
        )


def _square(out: Tensor, p: int, parts: int) -> tuple[Tensor, Tensor, Tensor]:
    mean = out[..., None, :]
    return torch.zeros_like(mean[..., 0]), mean, torch.zeros_like(mean)


def _mixture(out: Tensor, p: int, parts: int) -> tuple[Tensor, Tensor, Tensor]:
    weight = torch.log_softmax(out[..., :parts], dim=-1)
    mean, log_variance = out[..., parts:].unflatten(-1, (2, parts, p)).unbind(-3)
    return weight, mean, log_variance.clamp(_LOWEST, _HIGHEST)


HEADS: Mapping[str, Density] = MappingProxyType(
    {
        "mse": Density(lambda p, parts: p, _square),
        "gaussian": Density(lambda p, parts: 1 + 2 * p, _mixture),
        "mixture": Density(lambda p, parts: parts + 2 * parts * p, _mixture, 3),
    }
)


def head_named(name: str) -> Density | Sampled:
    """Return a head by its name.

    Raises
    ------
    InputError
    """
    known: dict[str, Density | Sampled] = {**HEADS, **SAMPLED}
    if not isinstance(name, str) or name not in known:
        raise InputError(
            f"there is no head {name!r}.{did_you_mean(str(name), known)} Known: {', '.join(known)}."
        )
    return known[name]


def cross_entropy(out: Tensor, codes: Tensor, weight: Tensor | None) -> Tensor:
    """Return minus the log probability of the right class of every example.

    Parameters
    ----------
    out : Tensor, shape (..., c)
    codes : Tensor of int, shape (...)
    weight : Tensor, shape (c,), or None
        Of the classes.
    """
    loss = -torch.log_softmax(out, dim=-1).gather(-1, codes[..., None])[..., 0]
    return loss if weight is None else loss * weight[codes]


def probabilities(out: FloatArray, temperature: float) -> FloatArray:
    """Return the members' mean probability of every class, (m, c), of out (K, m, c)."""
    mean: FloatArray = softmax(out / temperature, axis=-1).mean(axis=0)
    return mean / mean.sum(axis=-1, keepdims=True)


def best_temperature(out: FloatArray, codes: np.ndarray, weight: FloatArray | None = None) -> float:
    """Return the temperature that gives held-out labels the highest probability.

    Guo et al. 2017, ICML, arXiv:1706.04599; with one example's worth of belief in 1.

    Parameters
    ----------
    out : ndarray, shape (K, m, c)
    codes : ndarray of int, shape (m,)
    weight : ndarray, shape (c,), or None
        What the classes count, as in the loss; examples count one on average.
    """
    tries = np.geomspace(0.2, 10.0, 79)
    rows = np.arange(len(codes))
    counts = np.ones(len(codes)) if weight is None else weight[codes]
    counts = counts / max(counts.mean(), 1e-300)
    scores = [
        counts @ np.log(softmax(out / t, axis=-1).mean(axis=0)[rows, codes] + 1e-300)
        - 0.5 * np.log(t) ** 2
        for t in tries
    ]
    return float(tries[int(np.argmax(scores))])


def best_widening(
    weight: FloatArray, mean: FloatArray, variance: FloatArray, y: FloatArray, noise: FloatArray
) -> FloatArray:
    """Return by which factor of the variances held-out values are likeliest, for each output (p,).

    Parameters
    ----------
    weight : ndarray, shape (C, m)
    mean, variance : ndarray, shape (C, m, p)
    y, noise : ndarray, shape (m, p)
    """
    coarse = np.geomspace(1e-6, 1e2, 17)
    near = np.geomspace(1 / 3.2, 3.2, 17)[:, None]
    data = (weight, mean, variance, y, noise)
    best = _likeliest(np.tile(coarse[:, None], y.shape[1]), *data)
    return _likeliest(best * near, *data)


def _likeliest(
    tries: FloatArray,
    weight: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    y: FloatArray,
    noise: FloatArray,
) -> FloatArray:
    """Return the best of some factors (t, p) for each output, (p,)."""
    scores = np.empty(tries.shape)
    for i, factor in enumerate(tries):
        total = factor * variance + noise
        log = -0.5 * ((y - mean) ** 2 / total + np.log(total))
        density = logsumexp(log, axis=0, b=weight[..., None])
        # One example's worth of belief that the factor is of the order of 1.
        scores[i] = density.sum(axis=0) - 0.5 * (np.log(factor) / 3.0) ** 2
    return np.asarray(np.take_along_axis(tries, np.argmax(scores, axis=0)[None], axis=0)[0])
