"""Many kernels of one form at a few points: one call for all, where each would cost as much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from equatorium.checks import FloatArray
from equatorium_gp.posterior import Posterior
from equatorium_gp.shared import Shared
from equatorium_gp.spectral import Tensor
from equatorium_gp.stationary import MATERN12, Family, extended
from equatorium_gp.variance_function import VarianceFunction

FEW = 16_384  # kernel values of a group at once: beyond, one group after the other is as fast
MEMORY = 2**26  # bytes of matrices kept twice for it


@dataclass(frozen=True)
class Together:
    """Groups of one component, whose kernels are one term of one family each, on the CPU.

    Attributes
    ----------
    family : Family
    lengths, middle, right, amplitude : (g, 1, d), (g, 1, d), (g, d + 2, n), (g, 1, 1) tensors
        As of `equatorium_gp.crossed.Runs`.
    of_k, of_h : (g, n, c) and (g, q, c) arrays
        The matrices of `equatorium_gp.posterior`,
    transform : (g, t, q) array
    weight : (g, N, 1) array
    numbers : tuple of (g, 1) arrays
        Own variance, ratio, scale and nugget; the scale holds the variance factor.
    functions : tuple of VarianceFunction
    """

    family: Family
    lengths: Tensor
    middle: Tensor
    right: Tensor
    amplitude: Tensor
    of_k: FloatArray
    of_h: FloatArray
    transform: FloatArray
    weight: FloatArray
    numbers: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    functions: tuple[VarianceFunction, ...]

    @classmethod
    def of(cls, shared: Sequence[Shared]) -> "Together | None":
        """Join groups that are alike, or return None."""
        all_of = [one.posterior for one in shared]
        if len(all_of) < 2 or not all(_fits(all_of[0], one) for one in all_of):
            return None
        if sum(one.of_k.nbytes for one in all_of) > MEMORY:
            return None
        if any(one.nugget_function.varies for one in shared):
            return None
        terms = [term for one in all_of if one.runs is not None for term in one.runs.terms]
        factors = [one.variance_factor for one in shared]
        scale = [f * one.learned.scale for f, one in zip(factors, all_of, strict=True)]
        return cls(
            terms[0].term.family,
            torch.stack([t.lengths for t in terms]),
            torch.stack([t.middle[None] for t in terms]),
            torch.stack([t.right for t in terms]),
            torch.tensor([[[t.amplitude]] for t in terms], dtype=torch.float64),
            np.stack([one.of_k for one in all_of]),
            np.stack([one.of_h for one in all_of]),
            np.stack([one.transform for one in all_of]),
            np.stack([one.weight for one in all_of]),
            (
                np.array([[one.own] for one in all_of]),
                np.array([one.learned.ratio for one in all_of]),
                np.array(scale),
                np.array([one.nugget for one in all_of]),
            ),
            tuple(one.variance_function for one in shared),
        )

    def serves(self, m: int) -> bool:
        """Whether m points are few enough."""
        return 0 < m * self.of_k.shape[1] <= FEW

    def predict(self, X: FloatArray, H: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (m, g), as `equatorium_gp.shared.Shared.predict` of each group."""
        h, N = H @ self.transform, self.weight.shape[1]
        both = self._kernels(X) @ self.of_k
        both += h @ self.of_h
        white, trend = both[..., :N], both[..., N + 1 :]
        own, ratio, scale, nugget = self.numbers
        free = own - (h * trend).sum(axis=2) - (white**2 @ self.weight)[..., 0]
        free += ratio * (h**2).sum(axis=2)
        variance = scale * (np.maximum(free, 0.0) + nugget)
        if any(one.varies for one in self.functions):
            variance = variance * np.array([one(X) for one in self.functions])
        return both[..., N].T, np.asarray(variance).T

    def _kernels(self, X: FloatArray) -> FloatArray:
        """Kernels (g, m, n) between X (m, d) and the runs."""
        with torch.no_grad():
            points = torch.from_numpy(np.ascontiguousarray(X)) / self.lengths - self.middle
            s = torch.bmm(extended(points), self.right).clamp_(min=0.0)
            k = self.family.value(s, torch.empty_like(s))
            return np.asarray(k.mul_(self.amplitude).numpy())


def _fits(first: Posterior, one: Posterior) -> bool:
    """Whether a posterior can be joined with the first."""
    if first.runs is None or one.runs is None or len(one.runs.terms) != 1:
        return False
    if one.weight.shape != first.weight.shape or one.weight.shape[1] != 1:
        return False
    mine, theirs = one.runs.terms[0], first.runs.terms[0]
    return (
        mine.right.device.type == "cpu"
        and mine.right.shape == theirs.right.shape
        and mine.term.columns is None
        and mine.term.family == theirs.term.family
        and mine.term.family != MATERN12
        and one.transform.shape == first.transform.shape
    )
