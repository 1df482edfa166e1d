"""What the model says about the q data: by its emulator, or by itself if it is cheap."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, instance
from equatorium.emulate.surrogate import Surrogate, require_variance
from equatorium.errors import InputError, ShapeError
from equatorium.history.implausibility import Implausibility
from equatorium.history.wave import check_passed, check_report
from equatorium.inference.gradient import unit_slope
from equatorium.inference.model_function import ModelFunction
from equatorium.records.covariance import Covariance, Diagonal
from equatorium.records.observation import Observation
from equatorium.records.prediction import Gaussian
from equatorium.spectra.spectral_model import SpectralModel


class Predictor(ABC):
    """Mean and covariance of the data at points theta (m, d), whose columns have `names`."""

    names: tuple[str, ...]
    entries: int  # of the largest covariance in `pull_back`, at one point

    @abstractmethod
    def predict(self, theta: FloatArray) -> Gaussian:
        """Prediction of the q data, with its own covariance."""

    @abstractmethod
    def of_outputs(self, extra: Covariance) -> Covariance:
        """Covariance over the data of one over the model's outputs."""

    @abstractmethod
    def why_no_gradient(self) -> str:
        """Say why `pull_back` cannot be had; nothing if it can."""

    @abstractmethod
    def pull_back(self, theta: FloatArray, mean: FloatArray, cov: FloatArray | None) -> FloatArray:
        """Gradient (m, d) by theta of what has slopes `mean` (m, q) and `cov` (m, q, q)."""


def predictor_of(model: Any, observation: Observation, override: str) -> Predictor:
    """Make the predictor of a Surrogate, a SpectralModel or a ModelFunction.

    Raises
    ------
    InputError
        If the model is none of these.
    NotValidatedError
        If an emulator states no variance, or has not passed its validation on the outputs that
        the data see and there is no override.
    """
    if isinstance(model, ModelFunction):
        return Direct(model, observation)
    if isinstance(model, SpectralModel):
        return Spectral(model, observation, override)
    if not isinstance(model, Surrogate):
        raise InputError(
            "A likelihood needs a Surrogate (a fitted emulator with names), or a ModelFunction (a "
            f"model that is cheap enough to be called), but it is given {model!r:.80}."
        )
    return Emulated(model, observation, override)


class Emulated(Predictor):
    """By a surrogate that has passed its validation, seen through the data's response."""

    def __init__(self, surrogate: Surrogate, observation: Observation, override: str = "") -> None:
        # The same checks and response as history matching's, by construction.
        shared = Implausibility(surrogate, observation)
        if not override:
            check_passed(shared)
        self.surrogate = surrogate
        self.names = surrogate.space.names
        self.response = shared.response
        self.entries = surrogate.outputs.p**2
        self._chosen = _selection(self.response)

    def predict(self, theta: FloatArray) -> Gaussian:
        """Emulator's prediction; a mere selection of outputs multiplies nothing."""
        gaussian: Gaussian = self.surrogate.predict(theta).gaussian()
        if self._chosen is None:
            return gaussian.project(self.response)
        if np.array_equal(self._chosen, np.arange(gaussian.p)):
            return gaussian
        return gaussian.marginal(self._chosen)

    def of_outputs(self, extra: Covariance) -> Covariance:
        """R S R^T."""
        p = self.surrogate.outputs.p
        if extra.batch or extra.p != p:
            raise ShapeError(
                f"extra must be one covariance over the {p} outputs of the surrogate, but it is "
                f"over {extra.p}."
            )
        return extra.project(self.response)

    def why_no_gradient(self) -> str:
        """Whether the emulator has one."""
        if "gradient" in self.surrogate.emulator.capabilities_:
            return ""
        emulator = type(self.surrogate.emulator).__name__
        return f"the emulator {emulator} has no capability 'gradient' (trend-gp and gp have it)"

    def pull_back(self, theta: FloatArray, mean: FloatArray, cov: FloatArray | None) -> FloatArray:
        """Through the response, the emulator and the box."""
        space, R = self.surrogate.space, self.response
        p = R.shape[1]
        cov = np.zeros((len(theta), p, p)) if cov is None else R.T @ cov @ R
        u = np.clip(space.to_unit(theta), 0.0, 1.0)
        by_unit = self.surrogate.emulator.predict_dist_vjp(u, mean @ R, cov)
        return np.asarray(by_unit / unit_slope(space, theta))


class Spectral(Predictor):
    """By emulated spectra, carried to the pixels of the data."""

    def __init__(self, model: SpectralModel, observation: Observation, override: str = "") -> None:
        require_variance(model.surrogate)
        if not override:
            check_report(model.surrogate.report)
        seen = observation.coords.get("wavelength", np.empty(0))
        if seen.shape != model.wavelength.shape or not np.allclose(seen, model.wavelength, 1e-9):
            raise InputError(
                f"The spectral model predicts {model.wavelength.size} pixels, but the "
                f"{observation.q} data do not have their wavelengths. Make the model with the "
                "observation's: SpectralModel(surrogate, observation.coords['wavelength'], ...)."
            )
        ours, theirs = (of.units.get("wavelength", "") for of in (observation, model.outputs))
        if ours and theirs and ours != theirs:
            raise InputError(
                f"The wavelengths of the observation are in {ours!r}, those of the model in "
                f"{theirs!r}. Convert one."
            )
        self.model = model
        self.names = model.names
        self.entries = observation.q**2

    def predict(self, theta: FloatArray) -> Gaussian:
        """Predict the pixels."""
        return self.model.predict(theta)

    def of_outputs(self, extra: Covariance) -> Covariance:
        """Refuse: what runs share is not known beyond the operators."""
        raise InputError("A likelihood of a SpectralModel takes no `extra` covariance.")

    def why_no_gradient(self) -> str:
        """Say that there is none."""
        return "the operators of a SpectralModel have none"

    def pull_back(self, theta: FloatArray, mean: FloatArray, cov: FloatArray | None) -> FloatArray:
        """Refuse: see `why_no_gradient`."""
        raise InputError(f"There is no gradient: {self.why_no_gradient()}.")


class Direct(Predictor):
    """By the model itself, which is exact."""

    def __init__(self, model: ModelFunction, observation: Observation) -> None:
        instance(observation, Observation, "observation")
        self.model = model
        self.names = model.names
        self.q = observation.q
        self.response = None if model.outputs is None else observation.match(model.outputs)
        self.entries = self.q**2

    def predict(self, theta: FloatArray) -> Gaussian:
        """Evaluate the model; its covariance is zero."""
        mean = self.model(theta)
        if self.response is not None:
            mean = mean @ self.response.T
        if mean.shape[1] != self.q:
            raise ShapeError(
                f"{self.model.title} gives {mean.shape[1]} numbers a point, but there are {self.q} "
                "data. Give it `outputs`, so that the data can be matched to them."
            )
        return Gaussian(mean, Diagonal(np.zeros(self.q)))

    def of_outputs(self, extra: Covariance) -> Covariance:
        """R S R^T."""
        if extra.batch:
            raise ShapeError(f"extra must be one covariance, but it is {extra.batch} of them.")
        return extra if self.response is None else extra.project(self.response)

    def why_no_gradient(self) -> str:
        """Whether the function's slope was given."""
        if self.model.jacobian is not None:
            return ""
        return f"{self.model.title} is given without a jacobian"

    def pull_back(self, theta: FloatArray, mean: FloatArray, cov: FloatArray | None) -> FloatArray:
        """Through the Jacobian; the covariance does not depend on theta."""
        bar = mean if self.response is None else mean @ self.response
        slope = self.model.slope(theta, bar.shape[1])
        return np.asarray(np.einsum("mp,mpd->md", bar, slope))


def _selection(R: FloatArray) -> np.ndarray[Any, np.dtype[np.intp]] | None:
    """Which output each datum is, if each is just one, and another."""
    columns = np.argmax(R, axis=1)
    single = (np.count_nonzero(R, axis=1) == 1).all() and (R.max(axis=1) == 1).all()
    return columns if single and len(np.unique(columns)) == len(columns) else None
