"""Emulated spectra as an instrument would see them: what a likelihood takes for a model."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from equatorium.checks import FloatArray, floats, instance, matrix
from equatorium.emulate.surrogate import Surrogate
from equatorium.errors import InputError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.outputs import Outputs, unique_names
from equatorium.records.prediction import Gaussian
from equatorium.spectra.kernels import Kernel, convolved
from equatorium.spectra.operator import Operator, Values, carry
from equatorium.spectra.resampling import conserved
from equatorium.spectra.values import value_in
from equatorium.spectra.wavelength import (
    SPEED_OF_LIGHT,
    increasing,
    pixel_bounds,
    pixel_edges,
)


class SpectralModel:
    """A surrogate of spectra, what happens to its spectra, and the pixels that observe them.

    Parameters
    ----------
    surrogate : Surrogate
        Its outputs have the coordinate ``wavelength``, for shifts and broadening with even steps in
        the logarithm (`log_wavelengths`).
    wavelength : array_like or Quantity, shape (q,)
        Observed pixels, in the unit of the outputs; by default those of the model that are `margin`
        away from its ends. Flux is averaged over the width of each.
    operators : sequence of Operator
        In the order in which they act.
    margin : float
        By how many km/s the model must reach beyond the observed pixels, at either end: the largest
        shift plus the width of the kernels.

    Attributes
    ----------
    names : tuple of str
        The surrogate's parameters, then those of the operators.
    outputs : Outputs
        The observed pixels.

    Raises
    ------
    InputError
        If the outputs have no wavelengths, or the pixels lie outside of them, or an operator takes
        wavelengths in another unit; in predictions, if a shift moves pixels outside.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        wavelength: Any = None,
        operators: Sequence[Operator] = (),
        margin: float = 0.0,
    ) -> None:
        instance(surrogate, Surrogate, "surrogate")
        instance(operators, Sequence, "operators")
        for operator in operators:
            instance(operator, Operator, "an operator")
        if "wavelength" not in surrogate.outputs.coords:
            raise InputError(
                "A spectral model needs a surrogate whose outputs have the coordinate 'wavelength'."
                " Spectra.outputs makes such Outputs."
            )
        self.surrogate = surrogate
        self.operators = tuple(operators)
        own = [name for operator in operators for name in operator.names]
        self.names = unique_names((*surrogate.space.names, *own), "parameters")
        self._grid = increasing(surrogate.outputs.coords["wavelength"])
        self._check_units()
        if floats(margin, "margin").ndim or not 0 <= margin < np.inf:
            raise InputError(f"margin must be a number of km/s >= 0, but it is {margin!r}.")
        unit = surrogate.outputs.units.get("wavelength", "")
        given = (
            self._inside(margin) if wavelength is None else value_in(wavelength, unit, "wavelength")
        )
        self.wavelength = increasing(given)
        if not np.array_equal(self._grid, self.wavelength):
            self._check_range(margin)
        self.outputs = Outputs(
            [f"pixel{i}" for i in range(self.wavelength.size)],
            {"wavelength": self.wavelength},
            surrogate.outputs.units,
            surrogate.outputs.label,
            surrogate.outputs.unit,
        )

    @property
    def emulator(self) -> Emulator:
        """What predicts the spectra, for those who ask what a result rests on."""
        return self.surrogate.emulator

    def __repr__(self) -> str:
        low, high = self.wavelength[[0, -1]]
        seen = f"{self.outputs.p} pixels, {low:g} to {high:g}"
        return f"SpectralModel({', '.join(self.names)}: {seen})"

    def predict(self, theta: Any) -> Gaussian:
        """Predict the q pixels at points theta (m, d), whose columns are `names`."""
        theta = matrix(theta, f"theta ({', '.join(self.names)})", len(self.names))
        d = self.surrogate.space.d
        values = dict(zip(self.names[d:], theta[:, d:].T, strict=True))
        self._check_shifts(values)
        model = self.surrogate.predict(theta[:, :d]).gaussian()
        seen = reduce(lambda y, part: self._act(part, y, values), self._runs(), model)
        if np.array_equal(self._grid, self.wavelength):
            return seen
        return carry(seen, lambda rows: conserved(self._grid, self.wavelength, rows))

    def _runs(self) -> list[list[Operator]]:
        """Operators in order; kernels that follow each other act together."""
        runs: list[list[Operator]] = []
        for operator in self.operators:
            if runs and isinstance(operator, Kernel) and isinstance(runs[-1][-1], Kernel):
                runs[-1].append(operator)
            else:
                runs.append([operator])
        return runs

    def _act(self, run: list[Operator], model: Gaussian, values: Values) -> Gaussian:
        kernels = [operator for operator in run if isinstance(operator, Kernel)]
        if kernels:
            return convolved(kernels, self._grid, model, values)
        return run[0].apply(self._grid, model, values)

    def _check_units(self) -> None:
        unit = self.surrogate.outputs.units.get("wavelength", "")
        for operator in self.operators:
            wanted = getattr(operator, "unit", unit)
            if unit and wanted != unit:
                name = type(operator).__name__
                raise InputError(
                    f"{name} takes wavelengths in {wanted!r}, but the emulated ones are in "
                    f"{unit!r}: {name}(unit={unit!r})."
                )

    def _check_shifts(self, values: Values) -> None:
        """Kernels are periodic: what is shifted in from beyond an end is no spectrum."""
        if "v" not in values:
            return
        edges, (first, last) = pixel_edges(self._grid), pixel_bounds(self.wavelength)
        room = np.log([last[-1] / edges[-1], first[0] / edges[0]])
        low, high = SPEED_OF_LIGHT * np.tanh(room + np.array([-1e-9, 1e-9]))
        v = values["v"]
        if not ((v >= low) & (v <= high)).all():
            raise InputError(
                f"The emulated spectra leave room for velocities from {low:.6g} to {high:.6g} "
                f"km/s, but v is {v.min():g} to {v.max():g}. Narrow its prior, or "
                "leave pixels out: margin=, wavelength=."
            )

    def _inside(self, margin: float) -> FloatArray:
        """Emulated pixels that a margin leaves, but for rounding."""
        reach, edges = np.exp(margin / SPEED_OF_LIGHT), pixel_edges(self._grid)
        inside = (edges[:-1] >= edges[0] * reach) & (edges[1:] <= edges[-1] / reach)
        if inside.sum() < 2:
            raise InputError(f"A margin of {margin:g} km/s leaves no two of the emulated pixels.")
        return np.asarray(self._grid[inside])

    def _check_range(self, margin: float) -> None:
        reach = np.exp(margin / SPEED_OF_LIGHT)
        edges, (first, last) = pixel_edges(self._grid), pixel_bounds(self.wavelength)
        low, high = edges[0] * reach, edges[-1] / reach
        outside = int(((first < low * (1 - 1e-9)) | (last > high * (1 + 1e-9))).sum())
        if outside:
            raise InputError(
                f"The emulated spectra serve pixels from {low:.6g} to {high:.6g} (a margin of "
                f"{margin:g} km/s at either end), but {outside} of the {self.wavelength.size} "
                f"observed ones, {first[0]:.6g} to {last[-1]:.6g}, lie outside. Leave them out."
            )
