"""``deep-kernel``: a Gaussian process over what a network has learned to look at."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone

import equatorium
from equatorium import Emulator, Prediction, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_nets.emulator import NetworkEmulator
from equatorium_nets.mlp import MLP

_LEAST = 1e-8  # of all variance: a direction with less is rounding


class DeepKernel(Emulator):
    r"""A network up to its last layer, and a process in place of that layer.

    .. math:: y(\theta) = u(A (h(\theta) - \bar h)), \qquad u \sim GP,

    where h holds the last hidden units of all members of a trained network, and A turns them to
    their first principal directions, each of unit variance over the runs. A stationary process
    cannot be steep here and flat there; in coordinates in which the network has made the outputs
    nearly linear, it can. The network is trained first, by itself: a likelihood of both at once is
    prone to overfit (Ober, Rasmussen & van der Wilk 2021). It has seen the runs that the process
    learns from: worth it from some thousand runs on. The variance is that of the process.

    Parameters
    ----------
    network : network emulator, or its name or spec
        Of any architecture and head: what it says itself is not used.
    process : Emulator, or its name or spec
        With the capabilities ``variance`` and ``noise``.
    n_features : int
        Directions, at most.

    Attributes
    ----------
    network_, process_ : fitted Emulators
    center_ : ndarray, shape (q,)
    axes_ : ndarray, shape (q, k)
        The transpose of A.

    References
    ----------
    Wilson A. G., Hu Z., Salakhutdinov R. & Xing E. P. 2016, AISTATS 51, 370,
    doi:10.48550/arXiv.1511.02222; Ober S. W., Rasmussen C. E. & van der Wilk M. 2021, UAI 161,
    1206, doi:10.48550/arXiv.2102.12108

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 80)[:, None]
    >>> network = MLP(layers="dense(16) tanh", n_members=1, epochs=50, random_state=0)
    >>> model = DeepKernel(network, process=MLP(n_members=1, epochs=50, random_state=0))
    >>> model.fit(x, np.tanh(9 * x[:, 0])).predict(x).shape
    (80,)
    """

    def __init__(self, network: Any = "mlp", process: Any = "sparse-gp", n_features: int = 8):
        self.network = network
        self.process = process
        self.n_features = n_features

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return a small network and the kit's own process."""
        small = {**MLP.conformance_options(), "n_members": 1, "random_state": 0}
        network = {"use": "mlp", "options": small}
        return {"network": network, "process": "local/reference-ridge"}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What the process can do, but for slopes and the like."""
        _, process = self._parts()
        return frozenset({"variance", "covariance", "noise"}) & process.capabilities_

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        network, process = map(clone, self._parts())
        self.network_ = network.fit(X, Y, noise=noise if _takes_noise(network) else None)
        hidden = self._hidden(X)
        self.center_ = hidden.mean(axis=0)
        hidden -= self.center_
        values, vectors = np.linalg.eigh(hidden.T @ hidden / len(X))
        top = np.argsort(values)[::-1][: self.n_features]
        top = top[values[top] > _LEAST * max(values.sum(), 1e-300)]
        if not len(top):  # the network has learned a constant
            top, values = np.array([len(values) - 1]), np.ones_like(values)
        self.axes_ = vectors[:, top] / np.sqrt(values[top])
        told = noise if _takes_noise(process) else None
        self.process_ = process.fit(hidden @ self.axes_, Y, noise=told)

    def _predict_dist(self, X: FloatArray) -> Prediction:
        features = (self._hidden(X) - self.center_) @ self.axes_
        prediction: Prediction = self.process_.predict_dist(features)
        return prediction

    def _hidden(self, X: FloatArray) -> FloatArray:
        """Return the last hidden units of all members, (m, q), in double precision."""
        module = self.network_.module_
        with torch.no_grad():
            rows = torch.from_numpy(self.network_._scaled(X)).split(module.rows)
            each = [module.hidden(some.to(module.device)).cpu() for some in rows]
        return np.asarray(torch.cat(each, dim=1).movedim(0, 1).flatten(1).numpy())

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose parts fit together."""
        if state:
            network, process = state.get("network_"), state.get("process_")
            if not isinstance(network, NetworkEmulator) or not isinstance(process, Emulator):
                raise StateError("the state of DeepKernel needs a fitted network_ and process_.")
            axes = state_array(state, "axes_", (None, getattr(process, "n_features_in_", None)))
            state_array(state, "center_", (len(axes),))
            sizes = (state.get("n_features_in_"), state.get("n_outputs_"))
            if sizes != (network.n_features_in_, process.n_outputs_):
                raise StateError(
                    f"the parts of the state of DeepKernel do not fit {sizes[0]} inputs and "
                    f"{sizes[1]} outputs."
                )
        return super().set_state(state)

    def _parts(self) -> tuple[Any, Any]:
        """Return network and process, made from their specs where they are given so, and check."""
        whole = isinstance(self.n_features, int | np.integer)
        if not whole or isinstance(self.n_features, bool) or self.n_features < 1:
            raise InputError(f"n_features must be a whole number from 1, not {self.n_features!r}.")
        network = _made(self.network, "network")
        process = _made(self.process, "process")
        if not isinstance(network, NetworkEmulator):
            raise InputError(f"network must be a network such as mlp, but it is {network!r:.80}.")
        if network.mc_dropout:
            raise InputError("a network with mc_dropout has no one last layer; set mc_dropout=0.")
        if not isinstance(process, Emulator) or "variance" not in process.capabilities_:
            raise InputError(
                f"process={process!r:.80} must be an emulator with the capability 'variance', such "
                "as sparse-gp."
            )
        return network, process


def _takes_noise(part: Any) -> bool:
    return "noise" in part.capabilities_


def _made(given: Any, option: str) -> Any:
    """Make an emulator from its name or spec."""
    spec = {"use": given} if isinstance(given, str) else given
    if not isinstance(spec, Mapping):
        return spec
    if "use" not in spec or not set(spec) <= {"use", "options"}:
        raise InputError(
            f"{option} must be written {{'use': name, 'options': {{...}}}}, not {given!r:.80}."
        )
    options: Any = spec.get("options", {})
    return equatorium.emulator(spec["use"], **options)
