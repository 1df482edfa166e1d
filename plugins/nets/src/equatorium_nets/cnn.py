"""``cnn`` and ``cnn-classifier``: convolutions over spectra (1-D) and images (2-D)."""

from typing import ClassVar

from equatorium_nets.classifier import NetworkClassifier
from equatorium_nets.emulator import NetworkEmulator

_LAYERS = (
    "conv(16, 3, 1, 1) norm relu pool(2) conv(32, 3, 1, 1) norm relu pool(2) "
    "flatten dropout(0.2) dense(128) relu"
)


class CNN(NetworkEmulator):
    """Convolutional networks on images or spectra, whose answer is one Gaussian.

    Give ``shape=(channels, height, width)`` or ``(channels, length)``: rows of X are flat.

    References
    ----------
    LeCun Y., Bottou L., Bengio Y. & Haffner P. 1998, Proc. IEEE 86, 2278, doi:10.1109/5.726791
    """

    LAYERS: ClassVar[str] = _LAYERS


class CNNClassifier(NetworkClassifier):
    """Convolutional networks on images or spectra, whose probabilities are averaged.

    Give ``shape=(channels, height, width)`` or ``(channels, length)``: rows of X are flat.

    References
    ----------
    LeCun Y., Bottou L., Bengio Y. & Haffner P. 1998, Proc. IEEE 86, 2278, doi:10.1109/5.726791

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> options = {"shape": (1, 8, 8), "layers": "conv(8, 3) relu pool(2)", "n_members": 1}
    >>> model = CNNClassifier(**options, epochs=15, random_state=0).fit(X[:400], y[:400])
    >>> float((model.predict(X[400:500]) == y[400:500]).mean()) > 0.8
    True
    """

    LAYERS: ClassVar[str] = _LAYERS
