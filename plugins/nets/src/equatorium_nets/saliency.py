r"""Which inputs an answer hangs on: its slope with each of them.

.. math:: s_{ij} = \partial f(x_i) / \partial x_{ij}

f is the probability of a class, or the mean of an output. A slope says what happens to small
changes; an input that saturates the network has none.

Simonyan K., Vedaldi A. & Zisserman A. 2014, ICLR workshop, arXiv:1312.6034
"""

from typing import Any

import numpy as np

from equatorium.checks import FloatArray, matrix
from equatorium.errors import InputError

_ROWS = 256


def saliency(model: Any, X: Any, of: Any = None) -> FloatArray:
    """Return the slope of an answer with every input, shape (m, d).

    Parameters
    ----------
    model : classifier with ``predict_proba_vjp``, or emulator with the capability ``gradient``
    X : array_like, shape (m, d)
    of : label or int, optional
        Of a classifier, the class; by default that which is most probable for each row. Of an
        emulator, the number of the output, by default the first.

    Raises
    ------
    InputError
        If there is no such class or output, or the model gives no gradients.

    Examples
    --------
    >>> from equatorium_nets.mlp import MLP
    >>> x = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2))
    >>> model = MLP(layers="dense(16) tanh", n_members=1, epochs=60, random_state=0)
    >>> slopes = saliency(model.fit(x, 3.0 * x[:, 1]), x)
    >>> bool(abs(slopes[:, 1].mean() - 3.0) < 0.3 and abs(slopes[:, 0].mean()) < 0.3)
    True
    """
    X = matrix(X, allow_nan=True)  # the model says whether NaN may be
    of_class = hasattr(model, "predict_proba_vjp")
    if not of_class and not hasattr(model, "predict_dist_vjp"):
        raise InputError(f"{type(model).__name__} gives no gradients; take a network.")
    slope = _of_class if of_class else _of_output
    parts = [X[start : start + _ROWS] for start in range(0, len(X), _ROWS)]
    return np.concatenate([slope(model, rows, of) for rows in parts])


def _of_class(model: Any, X: FloatArray, label: Any) -> FloatArray:
    chances = model.predict_proba(X)
    labels = model.classes_.tolist()
    if label is not None and label not in labels:
        raise InputError(f"of={label!r} is no class; the classes are {labels}.")
    codes = chances.argmax(axis=1) if label is None else labels.index(label)
    bar = np.zeros_like(chances)
    bar[np.arange(len(X)), codes] = 1.0
    found: FloatArray = model.predict_proba_vjp(X, bar)
    return found


def _of_output(model: Any, X: FloatArray, output: Any) -> FloatArray:
    p = model.n_outputs_
    j = 0 if output is None else output
    if not isinstance(j, int | np.integer) or not 0 <= j < p:
        raise InputError(f"of={output!r} is no output; give a number from 0 to {p - 1}.")
    bar = np.zeros((len(X), p))
    bar[:, j] = 1.0
    found: FloatArray = model.predict_dist_vjp(X, bar, np.zeros((len(X), p, p)))
    return found
