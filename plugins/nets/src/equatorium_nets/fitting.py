"""What emulators and classifiers of networks share: scaled inputs, held-out rows, one training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equatorium import errors
from equatorium.checks import FloatArray, floats
from equatorium_nets.augment import augmentation
from equatorium_nets.checkpoint import Checkpoint
from equatorium_nets.examples import Examples, checksum, positive
from equatorium_nets.layers import network
from equatorium_nets.members import Members
from equatorium_nets.process import borrowed, is_light, seeded
from equatorium_nets.quasi_newton import check_smooth, descend
from equatorium_nets.training import Loss, Training, train

Seeds = list[int]
OPTIMISERS = ("adamw", "lbfgs")
_STEPS, _FEWEST = 5000, 10  # of a usual training, and its fewest epochs
# Options that change nothing of what is learned.
_INCIDENTAL = ("checkpoint", "progress", "mc_dropout")
# Options without which the weights mean nothing, or something else.
_SHAPING = ("layers", "shape", "n_members", "mc_dropout", "head", "parts", "width", "blocks")
_SHAPING += ("n_components", "encoder", "decoder", "labels")


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


def input_ivar(ivar: Any, X: Any) -> FloatArray | None:
    """Check the inverse variances of the inputs: of every value, or of every column.

    Raises
    ------
    InputError
    """
    if ivar is None:
        return None
    weight = floats(ivar, "ivar")
    if weight.shape not in (X.shape, X.shape[1:]):
        raise errors.ShapeError(
            f"ivar must have shape {X.shape} or {X.shape[1:]}, one inverse variance a value or a "
            f"column of X, not {weight.shape}."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise errors.InputError("ivar must be finite and not negative; 0 means not observed.")
    return weight


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
    n: int,
    share: float,
    rng: np.random.Generator,
    codes: npt.NDArray[Any] | None = None,
    most: int | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Deal n rows to those to learn from and those to judge by (at most `most`).

    Each class gives in proportion, and keeps one example to learn from.
    """
    if not (isinstance(share, int | float | np.number) and 0 <= share < 1):
        raise errors.InputError(f"validation must be a share from 0 to below 1, not {share!r}.")
    order = rng.permutation(n)
    if codes is not None:
        order = _dealt(order, codes)
    count = min(int(np.ceil(share * n)), n - 1, n if most is None else most)
    chosen = np.zeros(n, dtype=bool)
    # Evenly through the order, which is by class where there are classes.
    chosen[order[np.linspace(0, n - 1, count).round().astype(int)]] = count > 0
    if codes is not None:
        known = np.unique(codes[~chosen])
        _, first = np.unique(codes, return_index=True)
        chosen[first[~np.isin(codes[first], known)]] = False
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _dealt(order: npt.NDArray[Any], codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(order[np.argsort(codes[order], kind="stable")])


def trained(
    model: Any,
    examples: Examples,
    outputs: int,
    loss: Loss,
    held: Any,
    seeds: tuple[Any, ...],
    targets: tuple[Any, ...],
) -> tuple[Members, dict[str, FloatArray]]:
    """Draw the model's networks and train them, leaving PyTorch's own generator as it was.

    Parameters
    ----------
    model : NetworkEmulator or NetworkClassifier
    examples : Examples
    outputs : int
        Numbers that come out of each network.
    loss : callable
    held : ndarray of int
        Rows to judge by.
    seeds : tuple of lists of int
        Of the weights, and of the orders.
    targets : tuple of ndarray
        What the loss compares with: a checkpoint is of these.

    Raises
    ------
    InputError
        If a hyperparameter is wrong, the losses are not finite, or the checkpoint is of another
        training.
    """
    how = Training(
        epochs=_epochs(model, len(examples.fit)) if model.epochs is None else model.epochs,
        batch_size=model.batch_size,
        learning_rate=model.learning_rate,
        schedule=model.schedule,
        decay=model.decay,
        sparsity=model.sparsity,
        patience=model.patience,
        progress=bool(model.progress),
        adversarial=model.adversarial,
    )
    shape = model._shape_of(examples.d)
    device = usable_device(model.device)
    plan = network(model.architecture, shape, outputs)
    if model.optimiser not in OPTIMISERS:
        raise errors.InputError(
            f"optimiser must be one of {', '.join(OPTIMISERS)}, not {model.optimiser!r}."
        )
    whole = model.optimiser == "lbfgs"
    if whole:
        check_smooth(model, plan)
    with borrowed(device, is_light(plan, shape, len(examples.fit) if whole else how.batch_size)):
        members = Members.drawn(model.architecture, shape, outputs, seeds[0]).to(device)
        if whole:
            return members, descend(members, examples, loss, held, how)
        seeded(seeds[0][0], device)  # dropout
        change = augmentation(model.augment, shape, examples.errors is not None)
        saved = _checkpoint(model, how, examples, targets)
        history = train(members, examples, loss, held, how, seeds[1], change, saved)
    return members, history


def _epochs(model: Any, n: int) -> int:
    """Return how many epochs make a usual training of n examples, where the user does not say."""
    if model.optimiser == "lbfgs":
        return int(model.EPOCHS)
    size = model.batch_size
    a_step = isinstance(size, int | np.integer) and size > 0  # what is wrong is said elsewhere
    return max(_FEWEST, min(model.EPOCHS, _STEPS // -(-n // size))) if a_step else _FEWEST


def _checkpoint(
    model: Any, how: Training, examples: Examples, targets: tuple[Any, ...]
) -> Checkpoint | None:
    if model.checkpoint is None:
        return None
    if model.random_state is None:
        raise errors.InputError("a training with a checkpoint needs a seed: give random_state=0.")
    options = model.get_params(deep=False)
    identity = {name: _written(v) for name, v in options.items() if name not in _INCIDENTAL}
    return Checkpoint(
        model.checkpoint,
        {
            **identity,
            "method": type(model).__name__,
            "architecture": model.architecture,
            "epochs": str(how.epochs),
            "inputs": examples.digest(),
            "input errors": checksum(examples.errors),
            "answers": checksum(*targets),
        },
    )


def usable_device(device: str) -> str:
    """Return the device of torch; "auto" is CUDA where there is one.

    Raises
    ------
    InputError
        If the name is no device's, or CUDA is not there.
    """
    try:
        kind = torch.device("cpu" if device == "auto" else device).type
    except (RuntimeError, TypeError):
        kind = ""
    kind = kind if isinstance(device, str) else ""  # an option has a written form
    if kind not in ("cpu", "cuda"):
        raise errors.InputError(f"device={device!r} is no device; use 'auto', 'cpu' or 'cuda'.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise errors.InputError(
            f"device={device!r}, but torch finds no CUDA device here; use device='auto' or 'cpu'."
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device if kind == "cuda" else kind


def present_device(device: str) -> str:
    """Return the device as `usable_device` does, but the CPU in place of a missing CUDA device."""
    return usable_device(device) if torch.cuda.is_available() else "cpu"


def built_by(model: Any, module: Any) -> Any:
    """Return the module, after it has taken note of the options that it was built by."""
    module.options = _shaping(model)
    return module


def state_without_module(model: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes into a file: the weights as arrays, not the networks.

    Raises
    ------
    NotSavableError
        If an option has changed since, by which the weights could not be read again.
    """
    was = model.module_.options if "module_" in state else {}
    for name, now in _shaping(model).items():
        if was.get(name, now) != now:
            raise errors.NotSavableError(
                f"{name} was {was[name]} when this {type(model).__name__} was fitted, and is {now} "
                f"now: fit it again, or set it back."
            )
    return {name: value for name, value in state.items() if name != "module_"}


def _shaping(model: Any) -> dict[str, str]:
    options = model.get_params(deep=False)
    return {name: _written(value) for name, value in options.items() if name in _SHAPING}


def _written(value: Any) -> str:
    """Write an option so that a tuple, a list and an array of the same numbers are the same."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return repr(value)


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
