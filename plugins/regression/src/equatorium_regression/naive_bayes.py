"""Inputs taken for independent within a class."""

import numpy as np

from equatorium import errors, state_array
from equatorium_regression.densities import Densities
from equatorium_regression.states import classes, near

_LEAST = 1e-9  # of the variance of an input


class NaiveBayes(Densities):
    r"""Gaussian naive Bayes: within a class, inputs are normal and independent.

    .. math:: p(k \mid x) \propto \pi_k \prod_j N(x_j;\, \mu_{kj}, \sigma_{kj}^2)

    Inputs that say the same are counted twice, so that its probabilities are too sure; a
    calibration on rows that were left out mends that.

    Parameters
    ----------
    prior : str or sequence of float
        The shares of the classes among new rows: ``"data"``, as among the runs; ``"equal"``, for
        rare classes and balanced accuracy; or a number for each class.
    calibrate : bool
        Find temperature, bias and doubt on rows left out: see the page of the methods.

    References
    ----------
    Hand D. J. & Yu K. 2001, International Statistical Review 69, 385, doi:10.2307/1403452
    """

    def __init__(self, *, prior="data", calibrate=True):
        self.prior = prior
        self.calibrate = calibrate

    def _learn(self, Z, codes):
        classes = range(len(self.counts_))
        self.means_ = np.array([Z[codes == k].mean(axis=0) for k in classes])
        variance = np.array([Z[codes == k].var(axis=0) for k in classes])
        self.variances_ = variance + _LEAST

    def _log_densities(self, Z):
        square = np.square(Z[:, None] - self.means_) / self.variances_
        return -0.5 * (square + np.log(2 * np.pi * self.variances_)).sum(axis=2)

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            shape = (classes(state), state.get("n_features_in_"))
            near(state_array(state, "means_", shape), "means_")
            if (state_array(state, "variances_", shape) <= 0).any():
                raise errors.StateError("'variances_' of the state must be positive.")
        return super().set_state(state)
