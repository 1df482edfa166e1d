"""The variational autoencoder: a curved map between rows and a few coordinates, with errors."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from equatorium import Dense, Embedder, Gaussian, Network, state_array
from equatorium.checks import FloatArray, Rng, floats, generator
from equatorium.errors import InputError, ShapeError, StateError
from equatorium_nets.autoencoder import LEAST, Autoencoder, drawn, filled
from equatorium_nets.examples import examples
from equatorium_nets.fitting import (
    built_by,
    checked_history,
    held_out,
    present_device,
    seeds_of,
    state_without_module,
    usable_device,
)
from equatorium_nets.hiding import hiding
from equatorium_nets.linear_start import linear_start
from equatorium_nets.process import borrowed, is_light, seeded
from equatorium_nets.training import Training, train

_VALUES = 2**22  # of the Jacobians that are held at once
_NOTHING = 1e30  # a variance, in our units, that tells nothing: single precision ends soon after


class VAE(Network, Embedder):
    r"""Describe rows by a few coordinates, from which a network makes them anew.

    .. math:: x_j = g_j(z) + \epsilon_j, \qquad g(z) = \mu + z W + f(z), \qquad
              z \sim N(0, I), \quad \epsilon_j \sim N\left(0, s^2 + 1 / \mathrm{ivar}_j\right)

    The decoder f, the linear map W, and the scatter s maximise a bound of the likelihood,

    .. math:: \log p(x) \ge \mathrm{E}_q \log p(x | z) - \mathrm{KL}\left(q(z | x) \,\|\, N(0, I)
              \right),

    together with an encoder q. Both networks correct something linear, and begin at zero: before
    its first step the model is probabilistic principal components. Values with ivar 0, and NaN,
    are not observed and have no influence at all; in training more of them are hidden at random.
    The coordinates are the posterior's mode: a few Gauss-Newton steps lead to it from the encoder's
    mean. Its covariance, by the decoder's slope there, is in `transform_dist`.

    Rows have one unit for all columns, as for principal components.

    Parameters
    ----------
    n_components : int
        Coordinates k.
    encoder, decoder : str
        Hidden layers in words, such as ``"dense(128) silu dense(64) silu"``.
    labels : int
        The last so many columns of X are labels (the conditional form): they are not embedded but
        given to both networks. Coordinates and reconstructed rows end with them, unchanged.
    hide : float
        The largest share of a row's values that is hidden in training.
    steps : int
        Gauss-Newton steps; 0 leaves the encoder's mean.
    epochs, batch_size, learning_rate, schedule, decay, validation, patience
        As of the other networks; the held-out bound decides when to stop.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA where there is one.
    random_state : int or None
        Seed of weights, orders, draws and the held-out share.
    progress : bool
        Show a progress bar.

    Attributes
    ----------
    weights_ : dict of ndarray
        Of both networks, W (``"axes"``), the mean and the scatter, in units of ``x_scale_``.
    x_center_ : ndarray, shape (p,)
    x_scale_ : float
    latent_mean_, latent_root_ : ndarray, shapes (k,) and (k, k)
        Of the rows' coordinates: where samples are drawn. The root is a Cholesky factor.
    history_ : dict of ndarray
        ``loss`` and ``validation_loss`` at every epoch: minus the bound of a row, in these units.

    References
    ----------
    Kingma D. P. & Welling M. 2014, ICLR, doi:10.48550/arXiv.1312.6114; the linear part: Lucas J.,
    Tucker G., Grosse R. & Norouzi M. 2019, NeurIPS 32, doi:10.48550/arXiv.1911.02469; the scatter:
    Rybkin O., Daniilidis K. & Levine S. 2021, ICML, doi:10.48550/arXiv.2006.13202; steps from the
    encoder's mean: Kim Y. et al. 2018, ICML, doi:10.48550/arXiv.1802.02550

    Examples
    --------
    >>> t = np.random.default_rng(1).uniform(-1, 1, 200)
    >>> X = np.column_stack([t, t**2, t**3])
    >>> X[3, 1] = np.nan
    >>> model = VAE(n_components=1, epochs=60, learning_rate=0.01, random_state=0).fit(X)
    >>> back = model.inverse_transform(model.transform(X))
    >>> bool(abs(back[3, 1] - t[3] ** 2) < 0.2)
    True
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        encoder: str = "dense(128) silu",
        decoder: str = "dense(128) silu",
        labels: int = 0,
        hide: float = 0.5,
        steps: int = 8,
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        schedule: str = "cosine",
        decay: float = 1e-2,
        validation: float = 0.1,
        patience: int | None = 30,
        device: str = "cpu",
        random_state: int | None = None,
        progress: bool = False,
    ) -> None:
        self.n_components = n_components
        self.encoder = encoder
        self.decoder = decoder
        self.labels = labels
        self.hide = hide
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.decay = decay
        self.validation = validation
        self.patience = patience
        self.device = device
        self.random_state = random_state
        self.progress = progress

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Two small networks."""
        return {
            "n_components": 2,
            "encoder": "dense(16) tanh",
            "decoder": "dense(16) tanh",
            "epochs": 8,
        }

    def _fit(self, X: FloatArray, ivar: FloatArray | None) -> None:
        if len(X) < 2:
            raise InputError(f"VAE needs at least 2 rows, but n_samples={len(X)}.")
        plan, how = self._plan(X.shape[1]), self._training()
        (weights,), (orders,), rng = seeds_of(self.random_state, 1)
        fit, held = held_out(len(X), self.validation, rng)
        self._learn_units(X[fit], ivar if ivar is None else ivar[fit])
        rows = self._units(X, ivar)
        inputs, hide = examples(rows, fit), hiding(self.hide, plan.p)
        x, V, c = np.split(rows[fit], [plan.p, 2 * plan.p], axis=1)
        linear, device = linear_start(x, V, c, plan.k, LEAST), usable_device(self.device)
        light = is_light(plan.encoder, (plan.k + 2 * plan.p + plan.c,), how.batch_size)
        with borrowed(device, light):
            model = drawn(plan, linear, weights).to(device)
            seeded(orders, device)
            try:
                # What the model gives is not numbers to compare, but the losses themselves.
                self.history_ = train(
                    model, inputs, lambda out, _: out, held, how, [orders], hide, start=True
                )
            except torch.linalg.LinAlgError:
                self.history_ = {"loss": np.full(1, np.nan)}
        self.weights_ = {name: w[0] for name, w in model.arrays().items()}
        learned = (*self.history_.values(), *self.weights_.values())
        if not all(np.isfinite(a).all() for a in learned):
            raise InputError("VAE: the training diverged: lower learning_rate, or mend wild X.")
        self.module_ = self._built(self._plan(X.shape[1]), self.weights_)
        self._learn_moments(rows)

    def _learn_moments(self, rows: FloatArray) -> None:
        """Learn mean and spread of the coordinates of all rows, as the encoder gives them."""
        m, U = self._asked(self.module_.encode, rows)
        self.latent_mean_ = m.mean(axis=0)
        second = np.cov(m.T, bias=True).reshape(m.shape[1], -1) + np.mean(U @ U.swapaxes(1, 2), 0)
        self.latent_root_ = np.linalg.cholesky(second)

    def _training(self) -> Training:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 0:
            raise InputError(f"steps must be a whole number from 0, not {self.steps!r}.")
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            decay=self.decay,
            sparsity=0.0,
            patience=self.patience,
            progress=bool(self.progress),
        )

    def _plan(self, d: int) -> Autoencoder:
        k, c = self.n_components, self.labels
        for name, value, least in (("n_components", k, 1), ("labels", c, 0)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise InputError(f"{name} must be a whole number from {least}, not {value!r}.")
        if c >= d:
            raise InputError(f"labels={c} of {d} columns of X leave none to be embedded.")
        return Autoencoder(self.encoder, self.decoder, d - int(c), int(k), int(c))

    def _learn_units(self, X: FloatArray, ivar: FloatArray | None) -> None:
        """Learn means of columns, one spread (light values hardly count), units of the labels."""
        p = X.shape[1] - self.labels
        x, c = X[:, :p], X[:, p:]
        weight = np.ones(x.shape) if ivar is None else ivar[:, :p]
        if not (weight > 0).any():
            raise InputError("VAE: no value was observed: X is NaN, or ivar 0, all over.")
        typical = np.quantile(weight[weight > 0], 0.9, method="lower")
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.where(np.isinf(weight), 1.0, weight / (weight + 0.01 * typical))
            self.x_center_ = (share * x).sum(axis=0) / np.maximum(share.sum(axis=0), 1e-300)
            spread = float(np.sqrt((share * (x - self.x_center_) ** 2).sum() / share.sum()))
        if not np.isfinite(spread):
            raise InputError("X is so large that squares overflow: divide it by a typical value.")
        self.x_scale_ = spread if spread > 0 else 1.0
        self.label_center_, spreads = c.mean(axis=0), c.std(axis=0)
        self.label_scale_ = np.where(spreads > 0, spreads, 1.0)

    def _units(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        """Return values, variances of their errors, and labels, (m, 2 p + c), in our units."""
        p = len(self.x_center_)
        x, c = (X[:, :p] - self.x_center_) / self.x_scale_, X[:, p:]
        V = np.zeros_like(x)
        if ivar is not None:
            if not (ivar[:, p:] > 0).all():
                raise InputError(f"a label is missing: the last {self.labels} columns are labels.")
            with np.errstate(divide="ignore", over="ignore"):
                V = 1.0 / (ivar[:, :p] * self.x_scale_**2)
            V = np.where(V < _NOTHING, V, np.inf)
            x = np.where(np.isfinite(V), x, 0.0)
        return np.hstack([x, V, (c - self.label_center_) / self.label_scale_])

    def _weighted(self, X: FloatArray, ivar: Any) -> tuple[FloatArray, FloatArray | None]:
        """Let values without errors be exact, and not of variance 1, where others are missing."""
        X, weight = super()._weighted(X, ivar)
        if ivar is None and weight is not None:
            weight = np.where(weight > 0, np.inf, 0.0)
        return X, weight

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        return np.hstack([self._posterior(X, ivar)[0], X[:, len(self.x_center_) :]])

    def transform_dist(self, X: Any, *, ivar: Any = None) -> Gaussian:
        """Map rows to the posterior of their coordinates: mean (m, k) and covariance (m, k, k)."""
        X, ivar = self._weighted(self._rows(X, reset=False), ivar)
        z, H = self._posterior(X, ivar)
        S, c = np.linalg.inv(H), X[:, len(self.x_center_) :]
        S = np.pad((S + S.swapaxes(1, 2)) / 2, ((0, 0), (0, c.shape[1]), (0, c.shape[1])))
        return Gaussian(np.hstack([z, c]), Dense(S))

    def _posterior(self, X: FloatArray, ivar: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return the mode (m, k) and the precision (m, k, k)."""

        def ask(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found, _ = self.module_.encode(rows)
            return self.module_.refined(rows, found, self.steps)

        return self._asked(ask, self._units(X, ivar))

    def bound(self, X: Any, *, ivar: Any = None, draws: int = 64, rng: Rng = 0) -> FloatArray:
        r"""Return a lower bound of the log-likelihood of every row, (m,).

        .. math:: \log \frac{1}{L} \sum_l \frac{p(x | z_l)\, p(z_l)}{q(z_l | x)}, \quad z_l \sim q,

        the density of the values that were observed (given the labels), their errors included. Its
        expectation is below log p(x) and rises towards it with the draws L (Burda et al. 2016).

        References
        ----------
        Burda Y., Grosse R. & Salakhutdinov R. 2016, ICLR, doi:10.48550/arXiv.1509.00519
        """
        if not isinstance(draws, int) or draws < 1:
            raise InputError(f"draws must be a whole number from 1, not {draws!r}.")
        X, ivar = self._weighted(self._rows(X, reset=False), ivar)
        rows, k = self._units(X, ivar), self.module_.k
        noise = self._tensor(generator(rng).normal(size=(draws, k)))

        def ask(rows: torch.Tensor) -> tuple[torch.Tensor]:
            found, _ = self.module_.encode(rows)
            z, H = self.module_.refined(rows, found, self.steps)
            L = torch.linalg.cholesky(H)
            root = torch.linalg.solve_triangular(L.mT, torch.eye(k).to(L).expand_as(L), upper=True)
            z = z + torch.einsum("bij,lj->lbi", root, noise)
            own = 0.5 * (noise**2).sum(dim=-1)[:, None] - L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            each = torch.stack([self.module_.height(rows, one) for one in z]) + own
            return (torch.logsumexp(each, dim=0) - np.log(draws),)

        (found,) = self._asked(ask, rows)
        observed = np.isfinite(rows[:, len(self.x_center_) : 2 * len(self.x_center_)]).sum(axis=1)
        return np.asarray(found - observed * np.log(self.x_scale_))

    def sample(
        self, size: int, *, labels: Any = None, scatter: bool = True, rng: Rng = None
    ) -> FloatArray:
        """Draw rows (size, d): coordinates from the Gaussian of those of the rows, decoded.

        Parameters
        ----------
        size : int
        labels : array_like, shape (size, c) or (c,)
            Of the conditional form.
        scatter : bool
            Add the scatter s that the coordinates leave; there are no measurement errors.
        rng : int, Generator or None
        """
        check_is_fitted(self)
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise InputError(f"size must be a whole number from 1, not {size!r}.")
        rng, p, count = generator(rng), len(self.x_center_), self.labels
        c = floats(np.zeros(0) if labels is None else labels, "labels")
        if c.shape not in ((count,), (size, count)):
            raise ShapeError(f"labels must be of shape ({size}, {count}), not {c.shape}.")
        z = self.latent_mean_ + rng.normal(size=(size, self.module_.k)) @ self.latent_root_.T
        X = self._inverse_transform(np.hstack([z, np.broadcast_to(c, (size, count))]))
        if scatter:
            X[:, :p] += self.scatter * rng.normal(size=(size, p))
        return X

    @property
    def scatter(self) -> float:
        """The standard deviation s that the coordinates leave, in the units of the rows."""
        check_is_fitted(self)
        return float(self.module_.scatter2.sqrt()) * self.x_scale_

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        zc, c = self._codes(Z)
        (x,) = self._asked(lambda zc: (self.module_.decode(zc),), zc)
        return np.hstack([x * self.x_scale_ + self.x_center_, c])

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        (zc, c), width = self._codes(Z), Z.shape[1]
        (J,) = self._asked(lambda zc: (self.module_.jacobian(zc, width),), zc)
        J = J * self.x_scale_
        J[..., width - c.shape[1] :] /= self.label_scale_
        same = np.broadcast_to(np.eye(width)[width - c.shape[1] :], (len(Z), c.shape[1], width))
        return np.concatenate([J, same], axis=1)

    def _codes(self, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return coordinates and labels in our units, and the labels as they are."""
        k = self.module_.k
        if Z.shape[1] != k + self.labels:
            raise ShapeError(
                f"Z has {Z.shape[1]} columns, not {k} coordinates + {self.labels} labels."
            )
        c = Z[:, k:]
        return np.hstack([Z[:, :k], (c - self.label_center_) / self.label_scale_]), c

    def _asked(self, ask: Callable[[torch.Tensor], Any], rows: FloatArray) -> Any:
        """Put a question to the networks, about a block of rows at a time."""
        size = max(1, _VALUES // (len(self.x_center_) * (self.module_.k + self.labels)))
        with torch.no_grad():
            found = [
                ask(self._tensor(rows[start : start + size])) for start in range(0, len(rows), size)
            ]
        return tuple(torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))

    def _tensor(self, a: FloatArray) -> torch.Tensor:
        return torch.from_numpy(a).to(self.module_.mean)

    def to_device(self, device: str) -> Self:
        """Move the weights to another device and return the model."""
        check_is_fitted(self)
        self.module_.to(usable_device(device))
        self.device = device
        return self

    def _built(self, plan: Autoencoder, weights: Any) -> Autoencoder:
        """Build the networks from their weights in double precision, ready to be asked."""
        module = filled(plan, weights).to(present_device(self.device), torch.float64)
        return built_by(self, module.eval().requires_grad_(False))

    def get_state(self) -> dict[str, Any]:
        """Return what was learned: the weights as arrays, not the networks."""
        return state_without_module(self, super().get_state())

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a learned state, checked, and build the networks."""
        module = None
        if state:
            plan = self._plan(int(state.get("n_features_in_") or 0))
            state_array(state, "x_center_", (plan.p,))
            state_array(state, "label_center_", (plan.c,))
            scale = state.get("x_scale_")
            right = isinstance(scale, float) and 0 < scale < np.inf
            if not right or not (state_array(state, "label_scale_", (plan.c,)) > 0).all():
                raise StateError("'x_scale_' and 'label_scale_' of the state must be positive.")
            checked_history(state)
            module = self._built(plan, state.get("weights_"))
        super().set_state(state)
        if module is not None:
            self.module_ = module
        return self
