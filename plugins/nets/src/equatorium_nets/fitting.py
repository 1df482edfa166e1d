"""What emulators and classifiers of networks share: scaled inputs, held-out rows, one training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equatorium import errors
from equatorium.checks import FloatArray
from equatorium_nets.augment import augmentation
from equatorium_nets.members import Members
from equatorium_nets.training import Loss, Training, train

Seeds = list[int]


def example_shape(shape: Sequence[int] | None, d: int) -> tuple[int, ...]:
    """Return the shape of one example, a flat row of d numbers if none is given.

    Raises
    ------
    InputError
        If the rows do not hold so many numbers.
    """
    if shape is None:
        return (d,)
    wanted = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else ()
    whole = all(isinstance(s, int | np.integer) and s > 0 for s in wanted)
    if not whole or len(wanted) not in (1, 2, 3) or int(np.prod(wanted)) != d:
        raise errors.InputError(
            f"shape={shape!r} must be (channels, length) or (channels, height, width) with "
            f"{d} numbers in all, as many as X has columns."
        )
    return wanted


def input_units(X: FloatArray, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of the inputs, (d,): of each column, or of each channel of maps."""
    if len(shape) == 1:
        center, spread = X.mean(axis=0), X.std(axis=0)
    else:
        maps = X.reshape(len(X), shape[0], -1)
        size = maps.shape[2]
        center, spread = (np.repeat(f(maps, axis=(0, 2)), size) for f in (np.mean, np.std))
    return center, positive(spread, center)


def output_units(Y: FloatArray, noise: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of the outputs, (p,), in which runs of large noise count little."""
    center, spread = Y.mean(axis=0), Y.std(axis=0)
    if noise is not None:
        low, high = np.quantile(Y, [0.25, 0.75], axis=0)
        within = np.where(high > low, high - low, positive(spread, center)) ** 2
        weight = within / (within + noise)
        center = (weight * Y).sum(axis=0) / weight.sum(axis=0)
        spread = np.sqrt((weight * (Y - center) ** 2).sum(axis=0) / weight.sum(axis=0))
    return center, positive(spread, center)


def positive(spread: FloatArray, center: FloatArray) -> FloatArray:
    """Return the spread, but 1 where there is none but that of rounding."""
    return np.where(spread > 1e-12 * np.abs(center), spread, 1.0)


def seeds_of(random_state: Any, members: int) -> tuple[Seeds, Seeds, np.random.Generator]:
    """Return seeds of the members' weights and orders, and a generator for the split of the rows.

    Member k has the same ones whatever the number of members.
    """
    if random_state is not None and not (
        isinstance(random_state, int | np.integer) and random_state >= 0
    ):
        raise errors.InputError(
            f"random_state must be a non-negative int or None, not {random_state!r}."
        )
    if not isinstance(members, int | np.integer) or members < 1:
        raise errors.InputError(f"n_members must be a whole number from 1, not {members!r}.")
    root = np.random.SeedSequence(random_state)
    split = np.random.default_rng(root.spawn(1)[0])
    words = [child.generate_state(2) for child in root.spawn(members)]
    return [int(w[0]) for w in words], [int(w[1]) for w in words], split


def held_out(
    n: int, share: float, rng: np.random.Generator, codes: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Deal n rows to those to learn from and those to judge by, each class in proportion."""
    if not (isinstance(share, int | float) and 0 <= share < 1):
        raise errors.InputError(f"validation must be a share from 0 to 1, not {share!r}.")
    order = rng.permutation(n)
    if codes is not None:
        order = _dealt(order, codes)
    count = min(int(np.ceil(share * n)), n - 1)
    chosen = np.zeros(n, dtype=bool)
    # Evenly through the order, which is by class where there are classes.
    chosen[order[np.linspace(0, n - 1, count).round().astype(int)]] = count > 0
    if codes is not None:
        for code in np.unique(codes[chosen]):  # what all are held out of cannot be learned
            rows = np.flatnonzero(codes == code)
            chosen[rows[0]] &= not chosen[rows].all()
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _dealt(order: npt.NDArray[Any], codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(order[np.argsort(codes[order], kind="stable")])


def trained(
    model: Any, X: FloatArray, outputs: int, loss: Loss, fit: Any, held: Any, seeds: tuple[Any, ...]
) -> tuple[Members, dict[str, FloatArray]]:
    """Draw the model's networks and train them, leaving PyTorch's own generator as it was.

    Raises
    ------
    InputError
        If a hyperparameter is wrong, or the losses are not finite.
    """
    how = Training(
        epochs=model.epochs,
        batch_size=model.batch_size,
        learning_rate=model.learning_rate,
        schedule=model.schedule,
        decay=model.decay,
        sparsity=model.sparsity,
        patience=model.patience,
        progress=bool(model.progress),
    )
    shape = model._shape_of(X.shape[1])
    device = usable_device(model.device)
    with torch.random.fork_rng():
        members = Members.drawn(model.architecture, shape, outputs, seeds[0]).to(device)
        torch.manual_seed(seeds[0][0])  # dropout
        change = augmentation(model.augment, shape)
        history = train(members, X, loss, fit, held, how, seeds[1], change)
    if not all(np.isfinite(values).all() for values in history.values()):
        raise errors.InputError(
            f"the training diverged: a loss of epoch {_first_bad(history)} is not finite. Lower "
            f"learning_rate ({model.learning_rate:g}), or look for wild values in X and y."
        )
    return members, history


def _first_bad(history: Mapping[str, FloatArray]) -> int:
    return min(int(np.argmin(np.isfinite(values))) for values in history.values()) + 1


def usable_device(device: str) -> str:
    """Return the device of torch; "auto" is CUDA where there is one.

    Raises
    ------
    InputError
        If the name is no device's, or CUDA is not there.
    """
    try:
        kind = "auto" if device == "auto" else torch.device(device).type
    except (RuntimeError, TypeError):
        kind = ""
    if kind not in ("auto", "cpu", "cuda"):
        raise errors.InputError(f"device={device!r} is no device; use 'auto', 'cpu' or 'cuda'.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise errors.InputError(
            f"device={device!r}, but torch finds no CUDA device here; use device='auto' or 'cpu'."
        )
    return ("cuda" if torch.cuda.is_available() else "cpu") if kind == "auto" else device


def present_device(device: str) -> str:
    """Return the device as `usable_device` does, but the CPU in place of a missing CUDA device."""
    missing = device != "cpu" and not torch.cuda.is_available()
    return "cpu" if missing else usable_device(device)


def checked_history(state: Mapping[str, Any]) -> None:
    """Check ``history_`` of a state.

    Raises
    ------
    StateError
    """
    history = state.get("history_")
    right = isinstance(history, Mapping) and all(
        isinstance(a, np.ndarray) and a.ndim == 1 and a.dtype.kind == "f" for a in history.values()
    )
    if not right:
        raise errors.StateError("'history_' of the state must hold one list of numbers by name.")
