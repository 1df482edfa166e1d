"""What everything that is fitted shares: hyperparameters, learned state, files.

A model is a scikit-learn estimator: its constructor stores keyword hyperparameters unchanged, `fit`
learns names that end in ``_`` and returns the model. Its learned state is a dictionary of arrays,
JSON values and nested models; ``fit`` ends with ``set_state(get_state())``, so that a fitted model
and one read from a file are built by the same lines and predict the same numbers.
"""

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from equatorium import registry
from equatorium.checks import floats
from equatorium.errors import InputError, StateError
from equatorium.threads import one_thread


class Model(BaseEstimator, ABC):
    """Base class of emulators, classifiers and embedders.

    Attributes
    ----------
    state_version : int
        Raised whenever the meaning of the state changes; `migrate` then reads the older ones.
    capabilities : frozenset of str
        What the class can do, while no `Method` says it: a class of a script.
    capabilities_ : frozenset of str
        What this object can do. Composites compute it from their parts.
    n_features_in_ : int
        The number of columns of the X it was fitted on.
    """

    state_version: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[str]] = frozenset()
    n_features_in_: int

    @property
    def capabilities_(self) -> frozenset[str]:
        """What this object can do: by default, what its class was registered with."""
        entry = registry.entry_of(type(self))
        return self.capabilities if entry is None else frozenset(entry.method.capabilities)

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return small settings, with which the conformance kit trains in a second."""
        return {}

    def get_state(self) -> dict[str, Any]:
        """Return what was learned: every attribute whose name ends in ``_``."""
        return {name: value for name, value in vars(self).items() if _is_learned(name)}

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a learned state, in place of the present one.

        Parameters
        ----------
        state : mapping
            What `get_state` returned, perhaps by way of a file. Models whose state reaches
            compiled code override this method to check it first, for instance with `state_array`.

        Raises
        ------
        StateError
            If the state cannot be one of this class.
        """
        for name in state:
            if not _is_learned(name) or hasattr(type(self), name):
                raise StateError(
                    f"{type(self).__name__} learns nothing called {name!r}: this state belongs "
                    f"to another class, or the file is damaged."
                )
        if state and not isinstance(state.get("n_features_in_"), int | np.integer):
            raise StateError(f"the state of {type(self).__name__} lacks 'n_features_in_'.")
        self._forget()
        for name, value in state.items():
            setattr(self, name, value)
        return self

    @classmethod
    def migrate(cls, state: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Translate the state of an older `state_version` into one of today.

        Raises
        ------
        StateError
            Always, until a class knows how.
        """
        raise StateError(
            f"{cls.__name__} cannot read its state of version {version} (now {cls.state_version}): "
            f"fit it again, or install the version of its plugin that wrote the file."
        )

    def save(self, path: str | Path) -> None:
        """Write the model to an HDF5 file; `equatorium.load` reads it."""
        from equatorium.storage import save

        save(path, self)

    def _forget(self, keep: Sequence[str] = ()) -> None:
        """Drop what was learned before, so that a second fit does not see the first."""
        for name in [name for name in vars(self) if _is_learned(name) and name not in keep]:
            delattr(self, name)

    def _finish(self) -> Self:
        """End a fit: the model becomes what a file of it would give."""
        return self.set_state(self.get_state())

    def _fit_whole(self, X: Any, *given: Any) -> Self:
        """Call `_fit` with checked arrays; one that fails leaves nothing that looks learned."""
        fit: Any = self._fit
        try:
            with one_thread(len(X)):
                fit(X, *given)
                return self._finish()
        except BaseException:
            self._forget()
            raise

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = "missing" in self.capabilities_
        return tags

    def _validate(self, X: Any, *, reset: bool, **how: Any) -> Any:
        """Let scikit-learn check and convert X (and y), with errors of our type."""
        if not reset:
            check_is_fitted(self)
        if get_tags(self).input_tags.allow_nan:
            how.setdefault("ensure_all_finite", "allow-nan")
        if np.ma.is_masked(X):  # scikit-learn would take what is under the mask
            X = floats(X, "X")
        if np.ma.is_masked(how.get("y")):
            raise InputError("y has masked values, but must have none: leave out their rows.")
        try:
            checked = validate_data(self, X, reset=reset, dtype=np.float64, **how)
        except ValueError as error:
            raise InputError(str(error)) from error
        except TypeError as error:
            if not any(words in str(error) for words in ("value of NA", "NAType")):
                raise
            raise InputError(  # pandas.NA is neither equal nor unequal to anything
                f"{'X or y' if 'y' in how else 'X'} has missing values that are pandas.NA: leave "
                f"out their rows, or, where X may have gaps, put numpy.nan for them. ({error})"
            ) from error
        if reset:
            self._forget(keep=("n_features_in_", "feature_names_in_"))
        return checked


def _is_learned(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_") and name.isidentifier()


def state_array(
    state: Mapping[str, Any],
    name: str,
    shape: Sequence[int | None],
    kinds: str = "f",
    finite: bool = True,
) -> npt.NDArray[Any]:
    """Return an array of a state after checking it: files can be damaged, or worse.

    Parameters
    ----------
    state : mapping
    name : str
    shape : sequence of int or None
        The shape; None where any length will do.
    kinds : str
        The allowed ``dtype.kind`` letters.
    finite : bool
        Refuse NaN and infinity.

    Raises
    ------
    StateError
        Naming the item, what was expected and what came.

    Examples
    --------
    >>> state_array({"mean_": np.zeros(3)}, "mean_", (3,))
    array([0., 0., 0.])
    """
    value = state.get(name)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise StateError(f"the state needs an array {name!r}, but has {type(value).__name__}.")
    fits = len(shape) == value.ndim and all(
        a is None or a == b for a, b in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise StateError(
            f"{name!r} of the state must have shape {tuple(shape)}, not {value.shape}."
        )
    if finite and value.dtype.kind in "fc" and not np.isfinite(value).all():
        raise StateError(f"{name!r} of the state holds NaN or infinity.")
    return value
