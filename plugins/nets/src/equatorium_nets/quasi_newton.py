"""All examples at once, by L-BFGS in double precision: for small smooth networks of exact runs.

Gradient descent by batches ends where the batches disagree. A simulator without noise has no such
end: with the curvature that L-BFGS learns (Liu & Nocedal 1989, doi:10.1007/BF01589116) the same
network follows it several times closer.
"""

import contextlib
from typing import Any

import numpy as np
import scipy.optimize
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm.auto import tqdm

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_nets.batch_norms import BatchNorm
from equatorium_nets.examples import Examples, Rows
from equatorium_nets.members import Members
from equatorium_nets.training import Loss, Training

OF_AN_EPOCH = 10  # steps
_PAIRS = 20  # of steps and slopes that tell the curvature
_FLAT = 1e-4  # slope of the loss by any weight at which it ends


def check_smooth(model: Any, plan: nn.Module) -> None:
    """Refuse what would change the loss from step to step, or has no use here.

    Raises
    ------
    InputError
    """
    given = [
        f"{name}={getattr(model, name)!r}"
        for name in ("augment", "adversarial", "sparsity", "checkpoint")
        if getattr(model, name)
    ]
    if any(isinstance(part, nn.Dropout) and part.p > 0 for part in plan.modules()):
        given.append("a layer 'dropout'")
    if any(isinstance(part, BatchNorm) for part in plan.modules()):
        given.append("batch norms")
    if given:
        raise InputError(
            f"optimiser='lbfgs' goes down one smooth loss, of all examples at once: leave out "
            f"{', '.join(given)}, or take optimiser='adamw'."
        )


def descend(
    members: Members, examples: Examples, loss: Loss, held: Rows, how: Training
) -> dict[str, FloatArray]:
    """Train each member on all examples; it ends with the weights that held-out ones judge best.

    Of `how` it takes the decay, which is the precision of a normal prior of each weight, and epochs
    and patience, where an epoch is ten steps.

    Parameters
    ----------
    members : Members
        Changed in place.
    examples, loss, held
        As of `equatorium_nets.training.train`.

    Returns
    -------
    dict of ndarray
        ``loss`` and ``validation_loss``, the members' mean after every epoch.

    Raises
    ------
    InputError
        If a loss is not finite.
    """
    bar = tqdm(total=how.epochs * members.n, disable=not how.progress, desc="training")
    runs = []
    with bar:
        for k in range(members.n):
            run = _Run(members.member(k).double(), examples, loss, held, how)
            run.go(bar)
            runs.append(run)
            with torch.no_grad():
                for now, best in zip(members.weights, run.members.weights, strict=True):
                    now[k] = best[0]
    histories = {
        "loss": [run.losses for run in runs],
        "validation_loss": [run.judged for run in runs if len(held)],
    }
    return {name: _mean(each) for name, each in histories.items() if each}


class _Run:
    """One member on its way down."""

    def __init__(
        self, member: Members, examples: Examples, loss: Loss, held: Rows, how: Training
    ) -> None:
        self.members, self.loss, self.how = member.train(), loss, how
        self.learned = [w for w in member.weights if w.requires_grad]
        self.fit, self.held = (
            (member.tensor(examples.take(rows))[None], torch.from_numpy(rows)[None])
            for rows in (examples.fit, held)
        )
        self.losses: list[float] = []
        self.judged: list[float] = []
        self.best, self.lowest, self.waited = self._weights(), np.inf, 0

    def go(self, bar: Any) -> None:
        """Go down, and take the weights that were best."""
        steps = 0

        def note(intermediate_result: scipy.optimize.OptimizeResult) -> None:  # SciPy's name
            nonlocal steps
            steps += 1
            if steps % OF_AN_EPOCH == 0:
                bar.update()
                self._note(float(intermediate_result.fun), intermediate_result.x)

        most = OF_AN_EPOCH * self.how.epochs
        found = scipy.optimize.minimize(
            self._evaluate,
            self.best,
            jac=True,
            method="L-BFGS-B",
            callback=note,
            options={
                "maxiter": most,
                "maxfun": 2 * most,
                "maxcor": _PAIRS,
                "gtol": _FLAT,
                "ftol": 0.0,
            },
        )
        if steps % OF_AN_EPOCH and steps < most:  # it ended within an epoch
            with contextlib.suppress(StopIteration):
                self._note(float(found.fun), found.x)
        self._write(self.best)

    def _evaluate(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """Return mean loss and slope, with what the prior takes."""
        self._write(weights)
        n = self.fit[1].shape[1]
        value = self._mean_loss(*self.fit)
        squares = sum((w * w).sum() for w in self.members.penalised())
        value = value + 0.5 * self.how.decay / n * squares
        slopes = torch.autograd.grad(value, self.learned)
        number = float(value.detach())
        if not np.isfinite(number):
            raise InputError(
                "the training diverged: its loss is not finite. Look for wild values in X and y, "
                "or take optimiser='adamw'."
            )
        return number, np.asarray(parameters_to_vector(slopes).cpu().numpy())

    def _mean_loss(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return self.loss(self.members(x), rows.to(x.device)).mean()

    def _note(self, loss: float, weights: FloatArray) -> None:
        """Judge an epoch by what is held out, if anything is."""
        self.losses.append(loss)
        judged = loss
        if self.held[1].numel():
            self._write(weights)
            with torch.no_grad():
                judged = float(self._mean_loss(*self.held))
            self.judged.append(judged)
        if judged < self.lowest:
            self.best, self.lowest, self.waited = weights.copy(), judged, 0
        else:
            self.waited += 1
        if self.how.patience is not None and self.waited > self.how.patience:
            raise StopIteration

    def _weights(self) -> FloatArray:
        return np.asarray(parameters_to_vector(self.learned).detach().cpu().numpy())

    def _write(self, weights: FloatArray) -> None:
        vector = torch.from_numpy(weights).to(self.members.device)
        vector_to_parameters(vector, self.learned)


def _mean(each: list[list[float]]) -> FloatArray:
    """Return the mean of histories; those that ended keep their last value."""
    longest = max(map(len, each))
    padded = [np.pad(one, (0, longest - len(one)), mode="edge") for one in each if one]
    return np.asarray(np.mean(padded, axis=0)) if padded else np.zeros(0)
