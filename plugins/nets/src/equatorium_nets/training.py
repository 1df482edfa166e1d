"""Gradient descent: batches, penalties, a falling step, a stop where held-out examples say so."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_nets.members import Members

Tensor = torch.Tensor
# (numbers of the network (K, B, q), rows of the examples (K, B)) -> losses (K, B)
Loss = Callable[[Tensor, Tensor], Tensor]
Augment = Callable[[Tensor, np.random.Generator], Tensor]
_LAST = 0.01  # of the first step is the last one of a falling schedule


@dataclass(frozen=True)
class Training:
    """How to train.

    Parameters
    ----------
    epochs : int
    batch_size : int
    learning_rate : float
    schedule : str
        ``"cosine"`` falls to a hundredth, ``"constant"`` does not.
    decay : float
        Decoupled weight decay (AdamW), L2; biases and norms are exempt.
    sparsity : float
        Factor of the sum of absolute weights in the loss, L1; biases and norms are exempt.
    patience : int or None
        Epochs without a better held-out loss after which a member stops.
    progress : bool
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    decay: float
    sparsity: float
    patience: int | None
    progress: bool

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise InputError(f"{name} must be a whole number from {least}, not {value!r}.")
        for name in ("learning_rate", "decay", "sparsity"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
                raise InputError(f"{name} must be a number from 0, not {value!r}.")
        if self.schedule not in ("cosine", "constant"):
            raise InputError(f"schedule must be 'cosine' or 'constant', not {self.schedule!r}.")


def train(
    members: Members,
    X: FloatArray,
    loss: Loss,
    fit: np.ndarray,
    held: np.ndarray,
    how: Training,
    seeds: list[int],
    augment: Augment | None = None,
) -> dict[str, FloatArray]:
    """Train all members at once; each ends with the weights of its best epoch.

    Parameters
    ----------
    members : Members
        Changed in place.
    X : ndarray, shape (n, d)
    loss : callable
    fit, held : ndarray of int
        Rows to learn from, and rows to judge by (none: the last epoch is taken).
    how : Training
    seeds : list of int
        One a member, for the order of its examples.
    augment : callable, optional
        Changes a member's batch (batch, d).

    Returns
    -------
    dict of ndarray
        ``loss`` and ``validation_loss``, the members' mean at every epoch.
    """
    rows = members.tensor(X)
    orders = [np.random.default_rng(seed) for seed in seeds]
    optimiser = torch.optim.AdamW(
        [
            {"params": list(members.penalised()), "weight_decay": how.decay},
            {"params": list(members.exempt()), "weight_decay": 0.0},
        ],
        lr=how.learning_rate,
    )
    best = _Best(members, how.patience)
    history: dict[str, list[float]] = {"loss": [], "validation_loss": []}
    for epoch in tqdm(range(how.epochs), disable=not how.progress, desc="training"):
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * _fraction(epoch, how)
        history["loss"].append(_epoch(members, rows, loss, fit, how, orders, optimiser, augment))
        if len(held):
            losses = _held_loss(members, rows, loss, held)
            history["validation_loss"].append(float(losses.mean()))
            if best.finished(losses):
                break
    if len(held):
        best.restore()
    return {name: np.array(values) for name, values in history.items() if values}


def _epoch(
    members: Members,
    rows: Tensor,
    loss: Loss,
    fit: np.ndarray,
    how: Training,
    orders: list[np.random.Generator],
    optimiser: torch.optim.Optimizer,
    augment: Augment | None,
) -> float:
    """Go once through the examples, each member in its own order; return the mean loss."""
    members.train()
    order = torch.from_numpy(np.stack([rng.permutation(fit) for rng in orders]))
    order = order.to(rows.device)
    total = 0.0
    for start in range(0, len(fit), how.batch_size):
        chosen = order[:, start : start + how.batch_size]
        batch = rows[chosen]
        if augment is not None:
            batch = torch.stack([augment(one, rng) for one, rng in zip(batch, orders, strict=True)])
        losses = loss(members(batch), chosen).mean(dim=1)
        objective = losses.sum()
        if how.sparsity:
            objective = objective + how.sparsity * sum(w.abs().sum() for w in members.penalised())
        optimiser.zero_grad(set_to_none=True)
        objective.backward()
        optimiser.step()
        total += float(losses.detach().mean()) * chosen.shape[1]
    return total / len(fit)


def _held_loss(members: Members, rows: Tensor, loss: Loss, held: np.ndarray) -> Tensor:
    """Return the mean loss of each member, (K,), on examples it does not learn from."""
    members.eval()
    total = torch.zeros(members.n, device=rows.device)
    with torch.no_grad():
        for start in range(0, len(held), members.block):
            chosen = torch.from_numpy(held[start : start + members.block]).to(rows.device)
            out = members.shared(rows[chosen])
            total += loss(out, chosen.expand(members.n, -1)).sum(dim=1)
    return total / len(held)


def _fraction(epoch: int, how: Training) -> float:
    """Return the step as a fraction of the first."""
    if how.schedule == "constant":
        return 1.0
    cosine = 0.5 * (1.0 + np.cos(np.pi * epoch / how.epochs))
    return float(_LAST + (1.0 - _LAST) * cosine)


class _Best:
    """The best weights of every member so far; one that has waited too long takes no more."""

    def __init__(self, members: Members, patience: int | None) -> None:
        self.members, self.patience = members, np.inf if patience is None else patience
        self.loss = torch.full((members.n,), torch.inf, device=members.weights[0].device)
        self.waited = torch.zeros_like(self.loss)
        self.kept = [w.detach().clone() for w in members.weights]

    def finished(self, loss: Tensor) -> bool:
        """Take note of an epoch's losses (K,); say whether nobody improves any more."""
        going = self.waited <= self.patience
        better = going & (loss < self.loss)
        self.loss = torch.where(better, loss, self.loss)
        self.waited = torch.where(better, 0.0, self.waited + 1.0)
        for kept, now in zip(self.kept, self.members.weights, strict=True):
            kept[better] = now.detach()[better]
        return not bool((self.waited <= self.patience).any())

    def restore(self) -> None:
        """Give the members their best weights."""
        with torch.no_grad():
            for kept, now in zip(self.kept, self.members.weights, strict=True):
                now.copy_(kept)
