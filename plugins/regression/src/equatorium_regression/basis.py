"""Basis functions with the exact Bayesian posterior of their weights."""

import numpy as np

from equatorium import errors, state_array
from equatorium_regression.box import Box, check_powers
from equatorium_regression.choices import length, number, whole
from equatorium_regression.features import (
    bump_slopes,
    bumps,
    polynomial_slopes,
    polynomials,
    spread_out,
    terms,
)

_PRECISIONS = np.geomspace(1e-10, 1e6, 49)
_WIDTHS = (0.7, 1.0, 1.5, 2.2, 3.2, 5.0)
_FUNCTIONS = ("gaussian", "polynomial")


class Basis(Box):
    r"""A sum of basis functions, whose weights have a Gaussian prior.

    .. math:: f(x) = b + \sum_k w_k \phi_k(x), \quad w_k \sim N(0, \sigma^2 / \alpha)

    Given alpha and sigma the posterior of the weights is Gaussian, exactly. Both maximise the
    evidence, in closed form for sigma; the intercept has a flat prior. With ``precision=0`` it is
    least squares.

    Parameters
    ----------
    functions : str
        ``"gaussian"``, :math:`\exp(-|x - c_k|^2 / 2 s^2)` around centres spread over the runs, or
        ``"polynomial"``.
    n_functions : int
        The number of Gaussians.
    width : float or None
        Their s, in units of the range of the inputs, -1 to 1; None tries several, from the typical
        distance of neighbouring centres on, and takes what gives runs left out the best log score.
    degree : int
        Of the polynomial.
    precision : float or None
        alpha; None maximises the evidence.

    Attributes
    ----------
    centres_ : ndarray, shape (k, d)
        In coordinates from -1 to 1.

    References
    ----------
    MacKay D. J. C. 1992, Neural Computation 4, 415, doi:10.1162/neco.1992.4.3.415.
    Bishop C. M. 2006, Pattern Recognition and Machine Learning, section 3.5.
    """

    def __init__(
        self, *, functions="gaussian", n_functions=30, width=None, degree=5, precision=None
    ):
        self.functions = functions
        self.n_functions = n_functions
        self.width = width
        self.degree = degree
        self.precision = precision

    def _fit(self, X, Y, noise):
        if self.functions not in _FUNCTIONS:
            raise errors.InputError(
                f"functions must be one of {_FUNCTIONS}, not {self.functions!r}."
            )
        self._measure(X)
        if self.functions == "polynomial":
            kinds = [{"powers_": terms(X.shape[1], whole(self.degree, "degree"))}]
        else:
            kinds = self._bumps(self._unit(X))
        self._learn_best(X, Y, noise, kinds)

    def _bumps(self, Z):
        """Return centres with the widths to try."""
        centres = spread_out(Z, min(whole(self.n_functions, "n_functions"), len(Z)))
        if self.width is not None:
            return [{"centres_": centres, "width_": length(self.width, "width")}]
        apart = np.square(centres[:, None] - centres).sum(axis=2)
        np.fill_diagonal(apart, np.inf)
        near = np.sqrt(np.median(apart.min(axis=1)))
        near = near if 0 < near < np.inf else 1.0
        return [{"centres_": centres, "width_": float(near * w)} for w in _WIDTHS]

    def _features(self, X):
        Z = self._unit(X)
        if self.functions == "polynomial":
            return polynomials(Z, self.powers_)
        return bumps(Z, self.centres_, self.width_)

    def _feature_slopes(self, X):
        Z = self._unit(X)
        if self.functions == "polynomial":
            return polynomial_slopes(Z, self.powers_) / self.half_[:, None]
        return bump_slopes(Z, self.centres_, self.width_) / self.half_[:, None]

    def _penalty(self, design, y):
        if self.precision is not None:
            return number(self.precision, "precision")
        return float(_PRECISIONS[int(np.argmax(design.evidence(y, _PRECISIONS)))])

    def _scale(self, design, solution, alpha):
        if alpha == 0:
            return super()._scale(design, solution, alpha)
        return float(design.misfit(solution, alpha)[0]) / (len(design.weight) - 1)

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state and self.functions == "polynomial":
            check_powers(state)
        elif state:
            k = len(state_array(state, "coef_", (None, None)))
            state_array(state, "centres_", (k, state.get("n_features_in_")))
            width = state.get("width_")
            if not isinstance(width, float) or not 0 < width < np.inf:
                raise errors.StateError(f"'width_' of the state cannot be {width!r}.")
        return super().set_state(state)
