"""The posterior as it would be with another likelihood, by weights on the draws that there are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import UnreliableWeightsError
from equatorium.inference.draws import Draws
from equatorium.inference.psis import largest_k, smoothed
from equatorium.inference.text_table import aligned
from equatorium.records.space import Space


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Draws with importance weights, which are used only if they may be.

    Attributes
    ----------
    names : tuple of str
        The d parameters.
    theta : array, shape (n, d)
        The draws.
    log_weights : array, shape (n,)
        Pareto-smoothed; their exponentials sum to one.
    pareto_k : float
        Shape of the weights' tail; see `equatorium.inference.psis`.
    title : str
        What the weights stand for.
    remedy : str
        What to do where they may not be used.
    space : Space or None
        Shifts are measured in its scaled coordinate.
    notice : str
        What must be said with it, such as that the draws have not converged.
    """

    names: tuple[str, ...]
    theta: FloatArray
    log_weights: FloatArray
    pareto_k: float
    title: str
    remedy: str
    space: Space | None = None
    notice: str = ""

    @property
    def n(self) -> int:
        """Number of draws."""
        return len(self.theta)

    @property
    def reliable(self) -> bool:
        """Whether the weights may be used."""
        return bool(self.pareto_k <= largest_k(self.n))

    @property
    def efficiency(self) -> float:
        """What share of the draws the weights leave, by Kish: 1 if all weigh the same."""
        return float(1.0 / (self.n * np.square(np.exp(self.log_weights)).sum()))

    @property
    def weights(self) -> FloatArray:
        """Weights (n,), of sum one.

        Raises
        ------
        UnreliableWeightsError
            If they may not be used; so do all numbers made of them.
        """
        if not self.reliable:
            raise UnreliableWeightsError(
                f"{self.title}: Pareto k is {self.pareto_k:.2f}, but {self.n} weights may be used "
                f"up to {largest_k(self.n):.2f} only. {self.remedy}"
            )
        return np.exp(self.log_weights)

    @property
    def mean(self) -> FloatArray:
        """Posterior means (d,) with the weights."""
        return np.asarray(self.weights @ self.theta)

    @property
    def std(self) -> FloatArray:
        """Posterior standard deviations (d,) with the weights."""
        return np.asarray(np.sqrt(self.weights @ np.square(self.theta - self.mean)))

    @property
    def shift(self) -> FloatArray:
        """By how many of its standard deviations each mean moves (d,)."""
        x = self._scaled
        return np.asarray((self.weights @ x - x.mean(axis=0)) / x.std(axis=0))

    @property
    def shift_error(self) -> FloatArray:
        """Standard error (d,) of `shift`, from the number of draws."""
        x = self._scaled
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        # Of the weighted minus the plain mean over the same draws.
        part = self.weights[:, None] * (z - self.weights @ z) - z / self.n
        return np.asarray(np.sqrt(np.square(part).sum(axis=0)))

    @property
    def stretch(self) -> FloatArray:
        """Each standard deviation over what it was (d,)."""
        x = self._scaled
        moved = np.sqrt(self.weights @ np.square(x - self.weights @ x))
        return np.asarray(moved / x.std(axis=0))

    def summary(self) -> str:
        """Say how the posterior moves, or that the weights cannot tell."""
        lines = [
            f"{self.title}: {self.n} draws, Pareto k {self.pareto_k:.2f} (up to "
            f"{largest_k(self.n):.2f} is good), efficiency {self.efficiency:.2f}"
        ]
        if self.reliable:
            rows = [["", "mean", "sd", "shift [sd]", "+-", "sd ratio"]]
            columns = (self.mean, self.std, self.shift, self.shift_error, self.stretch)
            forms = (".4g", ".4g", "+.2f", ".2f", ".2f")
            rows += [
                [name, *(format(value, form) for value, form in zip(row, forms, strict=True))]
                for name, row in zip(self.names, np.transpose(columns), strict=True)
            ]
            lines += aligned(rows)
        else:
            lines.append(f"NOT RELIABLE. {self.remedy}")
        return "\n".join([*lines, *([self.notice] if self.notice else [])])

    @property
    def _scaled(self) -> FloatArray:
        return self.theta if self.space is None else self.space.to_unit(self.theta)


def reweighted(
    draws: Draws, theta: FloatArray, log_ratios: FloatArray, title: str, remedy: str
) -> Reweighted:
    """Weigh draws theta (n, d) by the log-ratios (n,) of wanted to sampled density."""
    log_weights, k = smoothed(log_ratios)
    told: dict[str, Any] = {"space": draws.space, "notice": draws.notice}
    return Reweighted(draws.names, theta, log_weights, float(k), title, remedy, **told)
