"""A polynomial of all inputs, by least squares."""

from equatorium import errors
from equatorium_regression.box import Terms
from equatorium_regression.choices import whole
from equatorium_regression.features import count, terms

_MOST_TERMS = 500


class Polynomial(Terms):
    r"""All products of powers of the inputs up to a degree, by (weighted) least squares.

    .. math:: f(x) = \sum_{|a| \le D} c_a \prod_j x_j^{a_j}

    Worked out in products of Legendre polynomials over the range of the runs.

    Parameters
    ----------
    degree : int or None
        D; None takes what gives runs left out the best log score, in closed form.
    max_degree : int
        The highest degree that is tried.

    Attributes
    ----------
    powers_ : ndarray, shape (k, d)
        The terms beside the constant.

    Raises
    ------
    InputError
        From `fit`, if the degree asks for as many terms as there are runs.
    """

    def __init__(self, *, degree=None, max_degree=4):
        self.degree = degree
        self.max_degree = max_degree

    def _fit(self, X, Y, noise):
        n, d = X.shape
        self._measure(X)
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
