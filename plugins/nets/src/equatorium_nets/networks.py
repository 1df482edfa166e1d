"""What emulators and classifiers share that are several networks of one architecture."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import h5py
import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from equatorium import Ensemble, Network, state_array
from equatorium.checks import FloatArray, floats
from equatorium.errors import ShapeError, StateError
from equatorium_nets.examples import Examples, Rows, checked_dataset, examples, input_units
from equatorium_nets.fitting import (
    built_by,
    checked_history,
    example_shape,
    input_ivar,
    present_device,
    state_without_module,
    usable_device,
)
from equatorium_nets.mc_dropout import Passes, checked_passes
from equatorium_nets.members import Members


@dataclass(kw_only=True, eq=False, repr=False)  # the options stand once, here
class Networks(Network, Ensemble):
    """K networks of one architecture, trained at once on the same examples.

    They differ by the weights that they start from and by the order in which they see the examples.
    Training stops where held-out examples say so: each ends with the weights of its best epoch.

    Parameters
    ----------
    layers : str or None
        The architecture, in words: ``"dense(64) relu dense(64) relu"``; the last layer, which gives
        the answer, is added. None is the method's own.

        Words: ``dense(units)``, ``conv(channels, size, stride, padding)``,
        ``pool(size, stride, padding)``, ``average(size)``, ``stem(channels)``,
        ``residual(channels, stride)``, ``gru(units)``, ``regular``, ``norm``, ``flatten``,
        ``dropout(share)``, with batch norms ``batch-norm``, ``batch-stem(channels)``,
        ``batch-residual(channels, stride)``, and the activations ``relu``, ``leaky(slope)``,
        ``tanh``, ``logistic``, ``linear``, ``silu``.
    shape : sequence of int or None
        Shape of one example, (channels, length) or (channels, height, width), of which a row of X
        is the flat form, or (steps, channels) of a series; None: a row is a list of features.
    n_members : int
        K.
    optimiser : str
        ``"adamw"``: by batches; ``"lbfgs"``: all examples at once, in double precision, by L-BFGS,
        one network after the other. An epoch is then ten steps, decay the precision of a normal
        prior of each weight, and `batch_size`, `learning_rate` and `schedule` say nothing. It takes
        small smooth networks (``"dense(30) tanh dense(30) tanh"``) several times closer to a
        simulator without noise; take the head ``"mse"``, for a width that is learned would
        follow the examples to zero.
    epochs : int or None
        At most so many times through the examples. None: so many that 5000 steps are taken, from
        10 to the most of the method (300 of numbers, 100 of classes).
    batch_size : int
        Examples a step.
    learning_rate : float
        The first step of Adam.
    schedule : str
        ``"cosine"``, falling to a hundredth, or ``"constant"``.
    decay : float
        Decoupled decay of the weights, L2 (Loshchilov & Hutter 2019); biases and norms are exempt.
    sparsity : float
        Factor of the sum of absolute weights in the loss, L1; biases and norms are exempt.
    validation : float
        Share of the examples that is held out, to stop by and to calibrate the answer.
    patience : int or None
        Epochs without a better held-out loss after which a network stops; None: never.
    augment : dict or None
        Changes of the examples in training: ``{"flip": 0.5, "rotate": 1, "shift": 2,
        "noise": 0.1, "errors": 1}``: shares, pixels, units of the inputs' spread, and of their
        errors where `fit` is given ``ivar``.
    adversarial : float
        Train on examples that are moved by so much along the sign of the loss's gradient
        (Goodfellow et al. 2015, Madry et al. 2018), from noise of that size about them (de Jorge et
        al. 2022), in units of the inputs' errors where `fit` is given ``ivar``, else of their
        spread, and judge by moved examples; 0: do not.
    mc_dropout : int
        So many thinned networks are made of each by its ``dropout`` layers, and all of them answer
        (Gal & Ghahramani 2016); 0: dropout only serves the training.
    checkpoint : str or None
        A file in which the training leaves what it has reached, and from which it goes on if it was
        interrupted; the weights are then those of an uninterrupted one, bit for bit. It needs
        `random_state`.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA where there is one.
    random_state : int or None
        Seed of weights, orders and the held-out share.
    progress : bool
        Show a progress bar.
    """

    LAYERS: ClassVar[str]
    EPOCHS: ClassVar[int]
    _ivar = None  # the inverse variances that `fit` is given, while it runs
    layers: str | None = None
    shape: Sequence[int] | None = None
    n_members: int = 5
    optimiser: str = "adamw"
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    decay: float = 1e-2
    sparsity: float = 0.0
    validation: float = 0.15
    patience: int | None = 60
    augment: Mapping[str, float] | None = None
    adversarial: float = 0.0
    mc_dropout: int = 0
    checkpoint: str | None = None
    device: str = "cpu"
    random_state: int | None = None
    progress: bool = False

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Two small networks."""
        return {
            "layers": "dense(16) tanh",
            "n_members": 2,
            "epochs": 40,
            "batch_size": 64,
            "learning_rate": 0.03,
        }

    @property
    def architecture(self) -> str:
        """The layers in words: those given, or the method's own."""
        return self.LAYERS if self.layers is None else self.layers

    @property
    def members_(self) -> tuple[Self, ...]:
        """The networks, each as a model of one member."""
        check_is_fitted(self)
        me: Any = self
        state = me.get_state()
        return tuple(
            type(me)(**{**me.get_params(deep=False), "n_members": 1}).set_state(
                {**state, "weights_": {n: w[k : k + 1] for n, w in state["weights_"].items()}}
            )
            for k in range(self.module_.n)
        )

    def _validate(self, X: Any, *, reset: bool, **how: Any) -> Any:
        """Check X as other models do, but leave in its file what `fit` is given as a dataset."""
        of_model: Any = super()
        if not (reset and isinstance(X, h5py.Dataset)):
            _check_flat(X)
            return of_model._validate(X, reset=reset, **how)
        checked_dataset(X)
        _, y = of_model._validate(np.zeros((len(X), 1)), reset=True, **how)
        self.n_features_in_ = X.shape[1]
        return X, y

    def _fitted(self, fit: Callable[..., Self], X: Any, y: Any, ivar: Any, **how: Any) -> Self:
        """Call the `fit` of the role, with the errors of X at hand."""
        self._ivar = ivar
        try:
            return fit(X, y, **how)
        finally:
            del self._ivar

    def to_device(self, device: str) -> Self:
        """Move the weights to another device and return the model."""
        check_is_fitted(self)
        self.module_.to(usable_device(device))
        self.device = device
        return self

    def get_state(self) -> dict[str, Any]:
        """Return what was learned: the weights as arrays, not the networks."""
        of_model: Any = super()
        return state_without_module(self, of_model.get_state())

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a learned state, checked, and build the networks."""
        module = None
        if state:
            d = state.get("n_features_in_")
            for name in ("x_center_", "x_scale_"):
                state_array(state, name, (d,))
            if not (state["x_scale_"] > 0).all():
                raise StateError("'x_scale_' of the state must be positive.")
            checked_history(state)
            module = self._built(int(d or 0), self._numbers_of(state), state.get("weights_"))
            if module.n != self.n_members:
                raise StateError(
                    f"the state holds {module.n} networks, but n_members is {self.n_members!r}."
                )
        of_model: Any = super()
        of_model.set_state(state)
        if module is not None:
            self.module_ = module
        return self

    @abstractmethod
    def _numbers_of(self, state: Mapping[str, Any]) -> int:
        """Return how many numbers each network gives, after checking the rest of a state."""

    def _built(self, d: int, numbers: int, weights: Any) -> Members:
        """Build the networks from their weights in double precision, ready to predict."""
        members = Members.of_state(self.architecture, self._shape_of(d), numbers, weights)
        if checked_passes(self.mc_dropout):
            members = Passes.of(members, self.architecture, numbers, self.mc_dropout)
        return built_by(self, members.to(present_device(self.device), torch.float64).eval())

    def _shape_of(self, d: int) -> tuple[int, ...]:
        """Return the shape of one example, whose row has d numbers."""
        return example_shape(self.shape, d)

    def _examples(self, X: Any, fit: Rows) -> Examples:
        """Return the inputs, to learn from those of some rows, and learn their units."""
        me: Any = self
        rows = examples(X, fit, missing="missing" in me.capabilities_)
        rows.center, rows.scale = self._input_units(rows.learned(), rows.d)
        rows.with_errors(input_ivar(self._ivar, X))
        self.x_center_, self.x_scale_ = rows.center, rows.scale
        return rows

    def _input_units(self, X: Iterable[FloatArray], d: int) -> tuple[FloatArray, FloatArray]:
        """Return centre and spread (d,) of the inputs, which come in pieces."""
        return input_units(X, self._shape_of(d))

    def _scaled(self, X: FloatArray) -> FloatArray:
        return (X - self.x_center_) / self.x_scale_


def _check_flat(X: Any) -> None:
    """Raise what images, or series, deserve that come as they are."""
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) > 2:
        raise ShapeError(
            f"X has the shape {shape}, but rows are flat here: give X.reshape({shape[0]}, -1) and, "
            f"in the constructor, shape=(channels, length) or (channels, height, width) of one "
            f"example, (steps, channels) of a series."
        )


def checked_bar(bar: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return what the slope of an answer is multiplied by: of another shape it would be broadcast.

    Raises
    ------
    ShapeError
    """
    found = floats(bar, name)
    if found.shape != shape:
        raise ShapeError(f"{name} must have shape {shape}, not {found.shape}.")
    return found
