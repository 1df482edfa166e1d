"""Gradient descent: batches, penalties, a falling step, a stop where held-out examples say so."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_nets.augment import Change
from equatorium_nets.checkpoint import Checkpoint
from equatorium_nets.examples import Examples, Rows
from equatorium_nets.members import Members
from equatorium_nets.process import generator_state, set_generator_state

Tensor = torch.Tensor
# (numbers of the network (K, B, q), rows of the examples (K, B)) -> losses (K, B)
Loss = Callable[[Tensor, Tensor], Tensor]
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
    adversarial : float
        How far examples are moved against the network, in their errors or else their spread, after
        noise of at most that size; the loss is then that of the moved ones.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    decay: float
    sparsity: float
    patience: int | None
    progress: bool
    adversarial: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise InputError(f"{name} must be a whole number from {least}, not {value!r}.")
        for name in ("learning_rate", "decay", "sparsity", "adversarial"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
                raise InputError(f"{name} must be a number from 0, not {value!r}.")
        if self.patience is not None and not (
            isinstance(self.patience, int | np.integer) and self.patience >= 0
        ):
            raise InputError(
                f"patience must be a whole number from 0 or None, not {self.patience!r}."
            )
        if self.schedule not in ("cosine", "constant"):
            raise InputError(f"schedule must be 'cosine' or 'constant', not {self.schedule!r}.")


def train(
    members: Members,
    examples: Examples,
    loss: Loss,
    held: Rows,
    how: Training,
    seeds: list[int],
    augment: Change | None = None,
    checkpoint: Checkpoint | None = None,
    start: bool = False,
) -> dict[str, FloatArray]:
    """Train all members at once; each ends with the weights of its best epoch.

    Ctrl-C ends the training after the last whole epoch, with a warning, and keeps what it learned.

    Parameters
    ----------
    members : Members
        Changed in place.
    examples : Examples
    loss : callable
    held : ndarray of int
        Rows to judge by; none: the last epoch is taken.
    how : Training
    seeds : list of int
        One a member, for the order of its examples.
    augment : callable, optional
        Changes a member's batch (batch, d).
    checkpoint : Checkpoint, optional
        Where the training goes on, and leaves what it reaches.
    start : bool
        Whether the weights at the start may turn out to be the best.

    Returns
    -------
    dict of ndarray
        ``loss`` and ``validation_loss``, the members' mean at every epoch.

    Raises
    ------
    InputError
        If a loss is not finite.
    """
    run = _Run(members, examples, loss, held, how, seeds, augment)
    if start and len(held):
        run.best.begin(run._judge())
    found = None if checkpoint is None else checkpoint.read()
    if found is not None:
        run.restore(found)
    bar = tqdm(total=how.epochs, initial=run.epoch, disable=not how.progress, desc="training")
    try:
        while not run.finished:
            run.advance()
            bar.update()
            bar.set_postfix({name: f"{v[-1]:.4g}" for name, v in run.history.items() if v})
            if checkpoint is not None and (checkpoint.due or run.finished):
                checkpoint.write(run.state())
    except KeyboardInterrupt:
        if not run.epoch:
            raise
        warnings.warn(
            f"the training was stopped after {run.epoch} of {how.epochs} epochs; the weights of "
            f"{'the best' if len(held) else 'the last'} of them are kept.",
            stacklevel=2,
        )
    finally:
        bar.close()
    run.best.restore()
    return {name: np.array(values[: run.epoch]) for name, values in run.history.items() if values}


class _Run:
    """A training under way: all that decides how it goes on."""

    def __init__(
        self,
        members: Members,
        examples: Examples,
        loss: Loss,
        held: Rows,
        how: Training,
        seeds: list[int],
        augment: Change | None = None,
    ) -> None:
        self.members, self.examples, self.loss, self.how = members, examples, loss, how
        self.augment, self.held = augment, held
        self.orders = [np.random.default_rng(seed) for seed in seeds]
        # Pieces of a file come in one order for all, whoever and how many the members are.
        self.pieces = np.random.default_rng(0)
        self.errors = None if examples.errors is None else members.tensor(examples.errors)
        self.judges = members.tensor(examples.take(held)) if len(held) else None
        groups = [
            {"params": list(members.penalised()), "weight_decay": how.decay},
            {"params": list(members.exempt()), "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=how.learning_rate, fused=True)
        self.best = _Best(members, how.patience)
        self.history: dict[str, list[float]] = {"loss": [], "validation_loss": []}
        self.epoch = 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or nobody improves any more."""
        return self.epoch == self.how.epochs or self.best.finished

    def advance(self) -> None:
        """Go once through the examples, and judge what came of it."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.how.learning_rate * _fraction(self.epoch, self.how)
        self._note("loss", self._learn())
        if self.judges is None:
            self.best.take_all()
        else:
            losses = self._judge()
            self._note("validation_loss", float(losses.mean()))
            self.best.compare(losses)
        self.epoch += 1

    def _note(self, name: str, value: float) -> None:
        if not np.isfinite(value):
            raise InputError(
                f"the training diverged: the {name} of epoch {self.epoch + 1} is not finite. Lower "
                f"learning_rate ({self.how.learning_rate:g}), or look for wild values in X and y."
            )
        self.history[name][self.epoch :] = [value]

    def _learn(self) -> float:
        """Take the steps of an epoch, each member in its own order; return the mean loss."""
        self.members.train()
        total, device = torch.zeros((), device=self.members.device), self.members.device
        for numbers, inputs in self.examples.blocks(self.pieces):
            rows, x = torch.from_numpy(numbers).to(device), self.members.tensor(inputs)
            order = np.stack([rng.permutation(len(numbers)) for rng in self.orders])
            places = torch.from_numpy(order).to(device)
            for start in range(0, len(numbers), self.how.batch_size):
                place = places[:, start : start + self.how.batch_size]
                total += self._step(x[place], rows[place]) * place.shape[1]
        return float(total) / len(self.examples.fit)

    def _step(self, batch: Tensor, rows: Tensor) -> Tensor:
        """Change the weights after a batch (K, B, d) of examples (K, B); return the mean loss."""
        errors = self._errors_of(batch, rows)
        if self.augment is not None:
            each = [None] * len(batch) if errors is None else errors
            changed = [self.augment(*one) for one in zip(batch, self.orders, each, strict=True)]
            batch, errors = (
                None if parts[0] is None else torch.stack(parts)
                for parts in zip(*changed, strict=True)
            )
        losses = self._losses(batch, rows, errors).mean(dim=1)
        objective = losses.sum()
        if self.how.sparsity:
            weights = self.members.penalised()
            objective = objective + self.how.sparsity * sum(w.abs().sum() for w in weights)
        self.optimiser.zero_grad(set_to_none=True)
        objective.backward()
        self.optimiser.step()
        return losses.detach().mean()

    def _errors_of(self, batch: Tensor, rows: Tensor) -> Tensor | None:
        errors = self.errors
        if errors is None:
            return None
        return errors[rows] if len(errors) > 1 else errors.expand_as(batch)

    def _losses(self, batch: Tensor, rows: Tensor, errors: Tensor | None) -> Tensor:
        """Return the losses (K, B), if so wished at examples moved uphill (Madry et al. 2018).

        In training these start from noise (de Jorge et al. 2022): from the examples themselves a
        network learns to turn the slopes just there, and is as weak as before a little further on.
        """
        if not self.how.adversarial:
            return self.loss(self.members(batch), rows)
        size = self.how.adversarial * (1.0 if errors is None else errors)
        start, device = batch.detach(), self.members.device
        if self.members.training:
            noise = [rng.uniform(-1.0, 1.0, batch.shape[1:]) for rng in self.orders]
            start = start + size * self.members.tensor(np.stack(noise))
        drawn = generator_state(device)
        losses = self.loss(self.members(start.requires_grad_()), rows)
        (slope,) = torch.autograd.grad(losses.sum(), start)
        # The same units are dropped again: the attack is on the network that learns from it.
        set_generator_state(device, drawn)
        return self.loss(self.members(start.detach() + size * slope.sign()), rows)

    def _judge(self) -> Tensor:
        """Return the mean loss of each member, (K,), on examples it does not learn from."""
        self.members.eval()
        total = torch.zeros(self.members.n, device=self.members.device)
        size = self.members.rows
        with torch.set_grad_enabled(bool(self.how.adversarial)):
            for start in range(0, len(self.held), size):
                rows = torch.from_numpy(self.held[start : start + size]).to(total.device)
                rows = rows.expand(self.members.n, -1)
                x = self.judges[start : start + size]
                x = x.expand(self.members.n, *x.shape)
                losses = self._losses(x, rows, self._errors_of(x, rows))
                total += losses.detach().sum(dim=1)
        return total / len(self.held)

    def state(self) -> dict[str, Any]:
        """Return all of it as arrays and JSON values."""
        moments = self.optimiser.state_dict()["state"]
        return {
            "epoch": self.epoch,
            "weights": _arrays(self.members.weights),
            "moments": {str(i): _named_arrays(of) for i, of in moments.items()},
            "best": _arrays(self.best.kept),
            "best_loss": self.best.loss.cpu().numpy(),
            "waited": self.best.waited.cpu().numpy(),
            "history": {name: np.array(values) for name, values in self.history.items()},
            "orders": [rng.bit_generator.state for rng in (*self.orders, self.pieces)],
            "dropout": generator_state(self.members.device).numpy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was.

        Raises
        ------
        StateError
            If it is not one of this training.
        """
        try:
            with torch.no_grad():
                for name, tensors in (("weights", self.members.weights), ("best", self.best.kept)):
                    for tensor, array in zip(tensors, state[name].values(), strict=True):
                        _fill(tensor, array)
                _fill(self.best.loss, state["best_loss"])
                _fill(self.best.waited, state["waited"])
            known = self.optimiser.state_dict()
            moments = {
                int(i): {name: torch.from_numpy(a) for name, a in of.items()}
                for i, of in state["moments"].items()
            }
            for tensor, of in zip(self._in_order(), moments.values(), strict=True):
                if any(a.shape not in ((), tensor.shape) for a in of.values()):
                    raise ValueError("the moments are of another shape")
            self.optimiser.load_state_dict({**known, "state": moments})
            self.history = {name: list(map(float, a)) for name, a in state["history"].items()}
            for rng, numbers in zip((*self.orders, self.pieces), state["orders"], strict=True):
                rng.bit_generator.state = numbers
            set_generator_state(self.members.device, torch.from_numpy(state["dropout"]))
            self.epoch = int(state["epoch"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise StateError(f"the checkpoint is damaged: {error}. Remove it.") from error

    def _in_order(self) -> list[Tensor]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]


def _arrays(tensors: Any) -> dict[str, np.ndarray]:
    return {str(i): t.detach().cpu().numpy().copy() for i, t in enumerate(tensors)}


def _named_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: t.detach().cpu().numpy().copy() for name, t in tensors.items()}


def _fill(tensor: Tensor, array: Any) -> None:
    if array.shape != tuple(tensor.shape):
        raise ValueError(f"an array of shape {array.shape} should be {tuple(tensor.shape)}")
    tensor.copy_(torch.from_numpy(array))


def _fraction(epoch: int, how: Training) -> float:
    """Return the step as a fraction of the first."""
    if how.schedule == "constant":
        return 1.0
    cosine = 0.5 * (1.0 + np.cos(np.pi * epoch / how.epochs))
    return float(_LAST + (1.0 - _LAST) * cosine)


class _Best:
    """The weights of every member's best epoch; one that has waited too long takes no more."""

    def __init__(self, members: Members, patience: int | None) -> None:
        self.members, self.patience = members, np.inf if patience is None else patience
        self.loss = torch.full((members.n,), torch.inf, device=members.device)
        self.waited = torch.zeros_like(self.loss)
        self.kept = [w.detach().clone() for w in members.weights]

    @property
    def finished(self) -> bool:
        """Whether nobody improves any more."""
        return not bool((self.waited <= self.patience).any())

    def begin(self, loss: Tensor) -> None:
        """Take note of the held-out losses (K,) before the first epoch."""
        self.loss = torch.where(loss.isfinite(), loss, torch.inf)

    def compare(self, loss: Tensor) -> None:
        """Take note of the held-out losses (K,) of an epoch."""
        better = (self.waited <= self.patience) & (loss < self.loss)
        # Made first and exchanged then: Ctrl-C may come at any line.
        kept = [
            torch.where(better.reshape(-1, *[1] * (now.ndim - 1)), now.detach(), kept)
            for kept, now in zip(self.kept, self.members.weights, strict=True)
        ]
        waited = torch.where(better, 0.0, self.waited + 1.0)
        self.loss, self.waited, self.kept = torch.where(better, loss, self.loss), waited, kept

    def take_all(self) -> None:
        """Take the last epoch as the best, where none are held out to judge."""
        self.kept = [w.detach().clone() for w in self.members.weights]

    def restore(self) -> None:
        """Give the members their best weights."""
        with torch.no_grad():
            for kept, now in zip(self.kept, self.members.weights, strict=True):
                now.copy_(kept)
