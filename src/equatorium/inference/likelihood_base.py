"""What all likelihoods of observed data share: a model, its errors, free scales, batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, Rng, generator, instance, matrix, vector
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError, NotFiniteError
from equatorium.inference.error_model import ErrorModel
from equatorium.inference.model_function import ModelFunction
from equatorium.inference.predictor import predictor_of
from equatorium.inference.stages import one_data_set
from equatorium.records.covariance import Covariance
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.outputs import unique_names
from equatorium.records.prediction import Gaussian
from equatorium.spectra.spectral_model import SpectralModel

_ENTRIES = 2**24  # of the upstream gradient (m, p, p) that are held at once
_Batch = Callable[[FloatArray], tuple[FloatArray, ...]]


class Likelihood(ABC):
    """How probable the observed data are, given parameters, model and emulator.

    Points theta (m, d) have one column for each of `names`, physical values: a posterior picks
    them from its own space by name, so that its space may hold more than the model's.

    Parameters
    ----------
    surrogate : Surrogate, SpectralModel or ModelFunction
        Its predictions and their covariance over named outputs, with the report of its validation;
        emulated spectra as an instrument sees them; or a model cheap enough to be called itself.
    observation : Observation
        The q data; its covariance holds measurement errors only.
    discrepancy : Discrepancy, optional
        What the model is allowed to miss; none by default.
    extra : Covariance, optional
        Variance over the p outputs that all runs of the simulator share.
    emulator_covariance : bool
        False leaves the emulator's covariance out, as if it were exact. It is recorded with all
        that follows; the honest value is True.
    override : str
        Why the emulator may judge without a passed validation, or empty; recorded likewise.
    chunk : int
        Most points that are predicted at once, to bound memory.
    free : mapping of str to str, optional
        Scales that are parameters of the posterior, by the names of these: ``"jitter"`` (standard
        deviation of further independent noise), ``"std"`` and ``"fraction"`` (the discrepancy's).

    Raises
    ------
    NotValidatedError
        If the emulator states no variance, or has not passed its validation on the outputs that
        the data see and there is no override.
    ShapeError
        If `extra` is not over the surrogate's outputs.
    InputError
        If a scale is unknown, or is given both as a number and as free.

    Attributes
    ----------
    names : tuple of str
        Parameters of the model, then the free scales, then those of the family itself.
    """

    _takes_limits: bool = False

    def __init__(
        self,
        surrogate: Surrogate | SpectralModel | ModelFunction,
        observation: Observation,
        discrepancy: Discrepancy | None = None,
        extra: Covariance | None = None,
        emulator_covariance: bool = True,
        override: str = "",
        chunk: int = 1024,
        *,
        free: Mapping[str, str] | None = None,
        own: Sequence[str] = (),
    ) -> None:
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise InputError(f"chunk must be a positive whole number, but it is {chunk!r}.")
        instance(observation, Observation, "observation")
        discrepancy = Discrepancy.none() if discrepancy is None else discrepancy
        instance(discrepancy, Discrepancy, "discrepancy")
        if extra is not None:
            instance(extra, Covariance, "extra")
        if observation.limit is not None and not self._takes_limits:
            raise InputError(
                f"Some of the data are upper or lower limits, which {type(self).__name__} does not "
                "know. GaussianLikelihood does."
            )
        self._predictor = predictor_of(surrogate, observation, override)
        simulator = None if extra is None else self._predictor.of_outputs(extra)
        self.surrogate = surrogate
        self.observation = observation
        self.discrepancy = discrepancy
        self.emulator_covariance = emulator_covariance
        self.override = override
        self.chunk = chunk
        self._free = free or {}
        self._errors = ErrorModel(observation, self.discrepancy, simulator, self._free)
        self.names = unique_names((*self._predictor.names, *self._errors.names, *own), "parameters")

    @property
    def q(self) -> int:
        """Number of data."""
        return int(self.observation.q)

    @property
    def parts(self) -> dict[str, Covariance]:
        """Constant covariances over the data: observation, discrepancy, and simulator."""
        return self._errors.parts

    @property
    def constant(self) -> Covariance:
        """Sum of the constant covariances."""
        return self._errors.constant

    def with_data(self, values: Any) -> Self:
        """Give the likelihood of other data (q,) of the same kind; this one stays as it is."""
        other = copy(self)
        other.observation = replace(self.observation, values=values)
        simulator = self.parts.get("simulator")
        other._errors = ErrorModel(other.observation, self.discrepancy, simulator, self._free)
        return other

    def simulate(self, theta: Any, rng: Rng = None, clean: Any = None) -> FloatArray:
        """Draw data (q,) as this likelihood has them come about.

        Parameters
        ----------
        theta : array, shape (d,)
            One point, a value for each of `names`.
        rng : int, Generator or None
        clean : array, shape (q,), optional
            What the true simulator gives for the data, in place of a draw of the emulator's.

        Raises
        ------
        InputError
            If there are none to draw; `why_no_data` says why.
        """
        if reason := self.why_no_data():
            raise InputError(f"No data can be drawn from this likelihood: {reason}.")
        theta = vector(theta, f"theta ({', '.join(self.names)})", len(self.names))[None]
        clean = None if clean is None else vector(clean, "clean data", self.q)
        return one_data_set(self, theta, generator(rng), clean)

    def why_no_data(self) -> str:
        """Say why no data can be drawn; nothing if they can."""
        if self.observation.limit is None:
            return ""
        return "some of its data are upper or lower limits, and which would change with each draw"

    def predict(self, theta: FloatArray) -> Gaussian:
        """Model's prediction of the q data at points theta (m, d), with its own covariance."""
        return self._predictor.predict(self._split(theta)[0])

    def parts_at(self, theta: FloatArray) -> dict[str, Covariance]:
        """Covariances over the data at points theta (m, d), free scales included."""
        return self._errors.at(self._split(theta)[1])

    def parts_about(self, values: FloatArray, theta: FloatArray) -> dict[str, Covariance]:
        """Give the same of other data, or latents (q,), whose size the discrepancy may go with."""
        return Likelihood.with_data(self, values).parts_at(theta)

    def log_likelihood(self, theta: Any) -> FloatArray:
        """Log-likelihood of points.

        Parameters
        ----------
        theta : array, shape (m, d)
            Physical parameters, inside the box.

        Returns
        -------
        array, shape (m,)
            NaN where the model gives no finite number.
        """
        theta = self._points(theta)
        values = np.empty(len(theta))
        _fill(lambda t: (self._log_likelihood(t),), theta, (values,), self.chunk)
        return values

    def log_likelihood_and_gradient(self, theta: Any) -> tuple[FloatArray, FloatArray]:
        """Log-likelihood (m,) of points theta (m, d) and its gradient (m, d).

        Raises
        ------
        InputError
            If there is none; `why_no_gradient` says why.
        """
        if reason := self.why_no_gradient():
            raise InputError(f"This likelihood has no gradient: {reason}.")
        theta = self._points(theta)
        values, gradient = np.empty(len(theta)), np.empty(theta.shape)
        chunk = min(self.chunk, max(1, _ENTRIES // self._predictor.entries))
        _fill(self._value_and_gradient, theta, (values, gradient), chunk)
        return values, gradient

    def why_no_gradient(self) -> str:
        """Say why there is no gradient; nothing if there is one."""
        return self._predictor.why_no_gradient()

    def budget(self, theta: Any) -> dict[str, float]:
        """Shares of the total variance (trace over the data), averaged over points theta (m, d).

        The emulator's share counts also where `emulator_covariance` is False: it says whether more
        runs would help.
        """
        theta = self._points(theta)
        own = np.empty(len(theta))
        _fill(lambda t: (self.predict(t).variance.sum(axis=-1),), theta, (own,), self.chunk)
        sums = {name: s.diagonal().sum(axis=-1) for name, s in self.parts_at(theta).items()}
        total = own + sum(sums.values())
        shares = {name: float(np.mean(part / total)) for name, part in sums.items()}
        return {"emulator": float(np.mean(own / total)), **shares}

    def stretch(self, theta: FloatArray, rng: np.random.Generator) -> FloatArray | float:
        """Draw what all deviations from the prediction are multiplied by, at points (m, d)."""
        return 1.0

    def expected(self, predicted: FloatArray) -> FloatArray:
        """Give the data to expect (m, q) of what the model predicts for them."""
        return predicted

    def measured(
        self, reality: FloatArray, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Give data (m, q) of reality and drawn errors."""
        return reality + noise

    @abstractmethod
    def _log_likelihood(self, theta: FloatArray) -> FloatArray:
        """Log-likelihood (m,) of points that fit into memory."""

    @abstractmethod
    def _value_and_gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-likelihood (m,) and gradient (m, d), likewise."""

    def _points(self, theta: Any) -> FloatArray:
        return matrix(theta, f"theta ({', '.join(self.names)})", len(self.names))

    def _split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Columns of the model, of free scales, and of the family itself."""
        d = len(self._predictor.names)
        k = d + len(self._errors.names)
        return theta[:, :d], theta[:, d:k], theta[:, k:]

    def _spread(self, theta: FloatArray) -> tuple[Gaussian, Covariance]:
        """Model's prediction at points, and the total covariance that counts."""
        own = self.predict(theta)
        total = self._errors.total(self._split(theta)[1])
        return own, total + own.covariance if self.emulator_covariance else total

    @property
    def _covariance_varies(self) -> bool:
        """Whether the total covariance depends on the parameters."""
        own = self.emulator_covariance and isinstance(self.surrogate, Surrogate)
        return own or bool(self._errors.names)

    def _pull_back(self, theta: FloatArray, mean: FloatArray, cov: FloatArray | None) -> FloatArray:
        """Gradient by model and scales, of slopes by mean (m, q) and covariance (m, q, q).

        The latter is None where that does not vary.
        """
        model, scales, _ = self._split(theta)
        by_model = self._predictor.pull_back(model, mean, cov if self.emulator_covariance else None)
        if cov is None:
            return by_model
        return np.concatenate([by_model, self._errors.gradient(scales, cov)], axis=1)


def _fill(
    function: _Batch, theta: FloatArray, out: tuple[FloatArray, ...], chunk: int | None = None
) -> None:
    """Evaluate in chunks; points whose prediction is not finite give NaN and harm no others."""
    if chunk is not None:
        for start in range(0, len(theta), chunk):
            part = slice(start, start + chunk)
            _fill(function, theta[part], tuple(a[part] for a in out))
        return
    try:
        results = function(theta)
    except NotFiniteError:
        if len(theta) == 1:
            results = (np.full(1, np.nan),) * len(out)
        else:
            _fill(function, theta, out, chunk=-(-len(theta) // 2))
            return
    for array, result in zip(out, results, strict=True):
        array[...] = result
