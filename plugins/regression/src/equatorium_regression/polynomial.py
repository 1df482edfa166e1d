"""A polynomial of all inputs, by least squares, which does not run away."""

import numpy as np

from equatorium import errors, state_array
from equatorium_regression.box import Terms
from equatorium_regression.choices import whole
from equatorium_regression.features import count, terms

_MOST_TERMS = 500


class Polynomial(Terms):
    r"""All products of powers of the inputs up to a degree, by (weighted) least squares.

    .. math:: \hat f(x) = \sum_{|a| \le D} c_a \prod_j x_j^{a_j}

    Worked out in products of Legendre polynomials over the range of the runs. Beyond the runs
    powers run away, and the variance g of :math:`\hat f` with them. Before any fit f is known to be
    like the outputs seen, of mean m and variance :math:`s^2` at every point; of both together

    .. math:: f = m + w\, (\hat f - m), \quad \sigma^2 = \sigma_0^2 + w\, g, \quad
              w = s^2 / (s^2 + g)

    with the scatter :math:`\sigma_0`. Among the runs g is small and nothing changes; where the
    polynomial knows nothing the outputs' own mean and variance are left.

    Parameters
    ----------
    degree : int or None
        D; None takes what gives runs left out the best log score, in closed form.
    max_degree : int
        The highest degree that is tried.
    prior : bool
        Whether f is known to be like the outputs seen; without, it is plain least squares.

    Attributes
    ----------
    powers_ : ndarray, shape (k, d)
        The terms beside the constant.
    prior_ : ndarray, shape (2, p)
        m and s^2.

    Raises
    ------
    InputError
        From `fit`, if the degree asks for as many terms as there are runs.
    """

    state_version = 2  # the prior came later

    def __init__(self, *, degree=None, max_degree=4, prior=True):
        self.degree = degree
        self.max_degree = max_degree
        self.prior = prior

    def _fit(self, X, Y, noise):
        n, d = X.shape
        self._measure(X)
        self.prior_ = np.stack([Y.mean(axis=0), Y.var(axis=0)])
        degrees = self._degrees(d, (n - 1) // 2)
        if count(d, degrees[-1]) + 2 > n > 1:
            raise errors.InputError(
                f"a polynomial of degree {degrees[-1]} in {d} inputs has "
                f"{count(d, degrees[-1]) + 1} terms, too many for {n} runs: lower degree, or take "
                f"'ridge'."
            )
        self._learn_best(X, Y, noise, [{"powers_": terms(d, D)} for D in degrees])

    def _degrees(self, d, most):
        """Return the degrees to try: what the option says, or from 0 up to a number of terms."""
        if self.degree is not None:
            return [whole(self.degree, "degree", 0)]
        limit = whole(self.max_degree, "max_degree", 0)
        return [D for D in range(limit + 1) if D == 0 or count(d, D) <= min(most, _MOST_TERMS)]

    def _limited(self, mean, gain):
        if not self.prior:
            return mean, gain
        share = _share(self.prior_[1], gain)
        return self.prior_[0] + share * (mean - self.prior_[0]), share * gain

    def _limited_vjp(self, mean, gain, mean_bar, gain_bar):
        if not self.prior:
            return mean_bar, gain_bar
        share = _share(self.prior_[1], gain)
        # dw/dg = -w^2 / s^2, and d(w g)/dg = w^2.
        fall = np.zeros_like(gain)
        np.divide(share**2, self.prior_[1], out=fall, where=self.prior_[1] > 0)
        gain_bar = gain_bar * share**2 - mean_bar * (mean - self.prior_[0]) * fall
        return mean_bar * share, gain_bar

    def _left_out(self, Y, mean, gain):
        if not self.prior:
            return mean, gain
        n, off = len(Y), Y - self.prior_[0]
        others = self.prior_[0] - off / (n - 1)
        # The others' squares about their own mean: what the run left out had added is taken off.
        squares = n * (self.prior_[1] - off**2 / (n - 1))
        share = _share(np.maximum(squares, 0.0) / (n - 1), gain)
        return others + share * (mean - others), share * gain

    @classmethod
    def migrate(cls, state, version):
        """Version 1 knew no prior: one so wide that it says nothing predicts the same."""
        p = state.get("n_outputs_", 0)
        return {"prior_": np.stack([np.zeros(p), np.full(p, 1e300)]), **state}

    def set_state(self, state):
        """Take on what was learned, checked."""
        if state:
            prior = state_array(state, "prior_", (2, state.get("n_outputs_")))
            if (prior[1] < 0).any():
                raise errors.StateError("'prior_' of the state holds a negative variance.")
        return super().set_state(state)


def _share(variance, gain):
    """Return s^2 / (s^2 + g), 1 where both are zero."""
    total = variance + gain
    return np.divide(variance, total, out=np.ones_like(total), where=total > 0)
