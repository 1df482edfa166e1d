"""Gaussian mixtures: a classifier, and a density of its own."""

import warnings

import numpy as np
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted

from equatorium import checks, errors, state_array
from equatorium_regression.calibration import log_prior
from equatorium_regression.choices import seed, whole
from equatorium_regression.densities import Densities
from equatorium_regression.states import classes, near

_RIDGE = 1e-4  # added to the variances of standardised inputs


class GMM(Densities):
    r"""A mixture of Gaussians for each class, as many as the BIC finds; classes by Bayes' theorem.

    .. math:: p(x \mid k) = \sum_g w_{kg}\, N(x;\, \mu_{kg}, \Sigma_{kg}), \quad
              p(k \mid x) \propto \pi_k\, p(x \mid k)

    With one class only it is a density of X: `log_density` and `sample`.

    Parameters
    ----------
    max_components : int
        The most Gaussians of a class. A class of n members gets n / (d + 1) at most.
    prior : str or sequence of float
        The shares of the classes among new rows: ``"data"``, as among the runs; ``"equal"``, for
        rare classes and balanced accuracy; or a number for each class.
    calibrate : bool
        Find temperature, bias and doubt on rows left out: see the page of the methods.
    random_state : int or None

    Attributes
    ----------
    owner_ : ndarray of int, shape (g,)
        The class of every Gaussian.
    shares_, means_, roots_ : ndarray, shape (g,), (g, d), (g, d, d)
        Its share of the class, mean, and Cholesky factor of its covariance, of standardised inputs.

    References
    ----------
    Fraley C. & Raftery A. E. 2002, JASA 97, 611, doi:10.1198/016214502760047131
    """

    def __init__(self, *, max_components=8, prior="data", calibrate=True, random_state=0):
        self.max_components = max_components
        self.prior = prior
        self.calibrate = calibrate
        self.random_state = random_state

    @classmethod
    def conformance_options(cls):
        """Return small settings for the conformance kit."""
        return {"max_components": 2}

    def _check(self, Z):
        whole(self.max_components, "max_components")
        seed(self.random_state)

    def _learn(self, Z, codes):
        # The numbers of Gaussians, once chosen by all rows, stay when some are left out.
        known = np.bincount(self.owner_) if hasattr(self, "owner_") else [None] * len(self.counts_)
        found = [self._mixture(Z[codes == k], known[k]) for k in range(len(self.counts_))]
        self.owner_ = np.repeat(np.arange(len(found)), [len(one[0]) for one in found])
        shares, means, roots = (np.concatenate(part) for part in zip(*found, strict=True))
        self.shares_, self.means_, self.roots_ = shares, means, roots

    def _mixture(self, Z, number):
        """Return shares, means and Cholesky factors of the mixture with the least BIC."""
        n, d = Z.shape
        if n < 2:
            return np.ones(1), Z.copy(), np.eye(d)[None]
        most = max(1, min(self.max_components, n // (d + 1)))
        best, kept = np.inf, None
        for g in range(1, 1 + most) if number is None else [min(number, n)]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                one = GaussianMixture(g, reg_covar=_RIDGE, random_state=self.random_state).fit(Z)
            bic = one.bic(Z)
            if bic < best:
                best, kept = bic, one
            elif g > 2 + len(kept.weights_):
                break  # three in a row that are no better
        return kept.weights_, kept.means_, np.linalg.cholesky(kept.covariances_)

    def _log_densities(self, Z):
        score = np.empty((len(Z), len(self.shares_)))
        for g, root in enumerate(self.roots_):
            white = np.linalg.solve(root, (Z - self.means_[g]).T)
            score[:, g] = -0.5 * np.square(white).sum(axis=0) - np.log(np.diag(root)).sum()
        score += np.log(self.shares_) - 0.5 * Z.shape[1] * np.log(2 * np.pi)
        classes = range(len(self.counts_))
        return np.stack([logsumexp(score[:, self.owner_ == k], axis=1) for k in classes], axis=1)

    def sample(self, size, rng=None):
        """Draw inputs (size, d) with their labels (size,).

        Parameters
        ----------
        size : int
        rng : int, Generator or None
        """
        check_is_fitted(self)
        size = whole(size, "size", 0)
        rng = checks.generator(rng)
        classes = np.exp(log_prior(self.prior, self.counts_))
        chance = classes[self.owner_] * self.shares_
        g = rng.choice(len(chance), size, p=chance / chance.sum())
        normal = rng.normal(size=(size, self.means_.shape[1], 1))
        Z = self.means_[g] + (self.roots_[g] @ normal)[..., 0]
        return self.centre_ + self.scale_ * Z, self.classes_[self.owner_[g]]

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            d, c = state.get("n_features_in_"), classes(state)
            g = len(state_array(state, "shares_", (None,)))
            owner = state_array(state, "owner_", (g,), "i")
            near(state_array(state, "means_", (g, d)), "means_")
            roots = state_array(state, "roots_", (g, d, d))
            positive = (state["shares_"] > 0).all() and (np.diagonal(roots, 0, 1, 2) > 0).all()
            positive = positive and not np.triu(roots, 1).any()
            if not positive or not np.array_equal(np.unique(owner), np.arange(c)):
                raise errors.StateError(
                    "the state's shares must be positive, its roots Cholesky factors, and "
                    "every class own a Gaussian."
                )
        return super().set_state(state)
