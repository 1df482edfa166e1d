"""``mdn``: networks that give a mixture of Gaussians."""

from typing import ClassVar

from equatorium_nets.emulator import NetworkEmulator


class MDN(NetworkEmulator):
    r"""Mixture density networks: an answer of several peaks where the data have them.

    .. math:: p(y \,|\, x) = \frac{1}{K} \sum_{k} \sum_{l} w_{kl}(x)
              \prod_j N(y_j \,|\, \mu_{klj}(x), c_j \sigma^2_{klj}(x))

    References
    ----------
    Bishop C. M. 1994, Mixture density networks, Aston University NCRG/94/004; D'Isanto A. &
    Polsterer K. L. 2018, A&A 609, A111, doi:10.1051/0004-6361/201731326

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((200, 1))
    >>> y = np.where(rng.random(200) < 0.5, x[:, 0], -x[:, 0]) + 0.05 * rng.normal(size=200)
    >>> model = MDN(layers="dense(16) tanh", n_members=2, epochs=60, random_state=0).fit(x, y)
    >>> type(model.predict_dist(x)).__name__
    'Mixture'
    """

    LAYERS: ClassVar[str] = "dense(64) silu dense(64) silu"
    HEAD: ClassVar[str] = "mixture"
