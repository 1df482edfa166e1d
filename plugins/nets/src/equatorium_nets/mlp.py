"""``mlp`` and ``mlp-classifier``: dense layers."""

from typing import ClassVar

from equatorium_nets.classifier import NetworkClassifier
from equatorium_nets.emulator import NetworkEmulator


class MLP(NetworkEmulator):
    """Dense networks, ``n_members`` of them at once, whose answer is one Gaussian.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 60)[:, None]
    >>> model = MLP(layers="dense(16) tanh", n_members=2, epochs=100, random_state=0)
    >>> model.fit(x, x[:, 0] ** 2).predict_dist(x).std.shape
    (60, 1)
    """

    LAYERS: ClassVar[str] = "dense(64) silu dense(64) silu"


class MLPClassifier(NetworkClassifier):
    """Dense networks, ``n_members`` of them at once, whose probabilities are averaged.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 60)[:, None]
    >>> model = MLPClassifier(layers="dense(8) tanh", n_members=2, epochs=60, random_state=0)
    >>> model.fit(x, np.where(x[:, 0] > 0, "late", "early")).predict([[-0.9], [0.9]]).tolist()
    ['early', 'late']
    """

    LAYERS: ClassVar[str] = "dense(64) relu dense(64) relu"
