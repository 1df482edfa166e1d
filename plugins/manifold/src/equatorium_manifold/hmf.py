"""Heteroscedastic low-rank factorisation: principal components that weigh every pixel."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.utils.extmath import randomized_svd

from equatorium import Dense, Gaussian, errors, one_thread, state_array
from equatorium.checks import FloatArray
from equatorium_manifold.blocks import Blocks, Streamed, check_number, filled, latent
from equatorium_manifold.factors import Factors, Sums, signed, step
from equatorium_manifold.nonnegative import first_components

_FEW, _MANY = 1000, 4000  # rows that the first guess is made from
_COARSE = 4  # how much less exactly it is made


class HMF(Streamed):
    r"""Describe rows by a few components, every value weighed by its inverse variance.

    .. math:: x_{ij} = \mu_j + \sum_a z_{ia} V_{aj} + \epsilon_{ij}, \qquad
              z_i \sim N(0, \Lambda), \quad
              \epsilon_{ij} \sim N\left(0, s^2 + 1 / \mathrm{ivar}_{ij}\right)

    Values with ivar 0, and NaN, are not observed and have no influence at all. Mean, components
    (orthonormal rows), variances of the scores and the scatter s, which is what the components
    leave out, maximise the likelihood by expectation and maximisation with expanded parameters.
    The coordinates are the means of the scores' posterior, in the units of the rows; its covariance
    is in `transform_dist`. Without errors and gaps these are the principal components, and scores
    drawn towards zero by the share of their variance that is scatter.

    Parameters
    ----------
    n_components : int
        The rank k.
    prior : bool
        Whether scores have the prior N(0, Lambda) learned from all rows, as in probabilistic
        principal components; without, it is the factorisation of Tsalmantza & Hogg: least squares.
    scatter : float or None
        The standard deviation s, in the units of the rows; None learns it. Rows without errors
        have it alone.
    smooth : float
        How strongly neighbouring pixels of components are held together, as a multiple of the
        weight of the data; it fills pixels that few rows have seen.
    nonnegative : bool
        Hold components and scores at zero or above, without mean and prior; cannot be smooth. The
        covariance of scores is then that of free ones. `nmf` does much the same by other steps.
    max_iter : int
    tol : float
        Stop when the log-likelihood gains less than this for every row.
    random_state : int or None
        For the first guess from a large table.

    Attributes
    ----------
    components_ : ndarray, shape (k, p)
    mean_ : ndarray, shape (p,)
    spread_ : ndarray, shape (k,)
        Variances of the scores.
    scatter_ : float
    costs_ : ndarray, shape (n_iter_,)
        Minus twice the log-likelihood per row, up to a constant, before every round on all rows.

    References
    ----------
    Tsalmantza P. & Hogg D. W. 2012, doi:10.1088/0004-637X/753/2/122; Tipping M. E. & Bishop C. M.
    1999, doi:10.1111/1467-9868.00196; Liu C., Rubin D. B. & Wu Y. N. 1998, Parameter expansion to
    accelerate EM, doi:10.1093/biomet/85.4.755

    Examples
    --------
    >>> X = np.outer(np.linspace(-1.0, 1.0, 9), [3.0, 4.0])
    >>> X[2, 1] = np.nan
    >>> HMF(n_components=1).fit(X).components_.round(4).tolist()
    [[0.6, 0.8]]
    """

    def __init__(
        self,
        n_components=10,
        *,
        prior=True,
        scatter=None,
        smooth=0.0,
        nonnegative=False,
        max_iter=50,
        tol=0.05,
        random_state=0,
    ):
        self.n_components = n_components
        self.prior = prior
        self.scatter = scatter
        self.smooth = smooth
        self.nonnegative = nonnegative
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return a rank that small tables allow."""
        return {"n_components": 2}

    def _learn(self, blocks: Blocks) -> None:
        self._check(blocks)
        with one_thread():  # between matrices so small, several only wait
            self._learn_on_one_thread(blocks)

    def _learn_on_one_thread(self, blocks: Blocks) -> None:
        few = max(_FEW, 20 * self.n_components, min(blocks.n // 4, _MANY))
        X, ivar = blocks.sample(few)
        if not _seen(ivar):  # any block that says something
            X, ivar = next(((x, w) for x, w in blocks if _seen(w)), (X, ivar))
        now = self._start(X, ivar)
        if blocks.n >= 2 * len(X) and _seen(ivar):
            # Most rounds are done on few rows: all of them have less to add.
            now, _ = self._maximised(now, Blocks(X, ivar), _COARSE * self.tol)
        now, costs = self._maximised(now, blocks, self.tol)
        self.mean_, self.components_, self.spread_ = now.mean, now.components, now.spread
        self.scatter_, self.costs_ = float(np.sqrt(now.scatter2)), np.array(costs)
        self.n_iter_ = len(costs)

    def _maximised(
        self, now: Factors, blocks: Iterable[Any], tol: float
    ) -> tuple[Factors, list[float]]:
        """Go on until a round gains less than so much; return the costs before every round."""
        costs: list[float] = []
        for _ in range(self.max_iter):
            sums = Sums.empty(now.k, len(now.mean))
            for X, ivar in blocks:
                sums.add(now, X, ivar)
            if not sums.normal[:, -1].any():
                raise errors.InputError(
                    "HMF: no value was observed: X is NaN, or ivar 0, all over."
                )
            costs.append(sums.cost / sums.rows)
            now = step(now, sums, smooth=self.smooth, learn_scatter=self.scatter is None)
            if len(costs) > 1 and costs[-2] - costs[-1] < 2 * tol:
                break
        return now, costs

    def _check(self, blocks: Blocks) -> None:
        blocks.need_two_rows("HMF")
        k = self.n_components
        if not isinstance(k, int | np.integer) or not 1 <= k <= min(blocks.n, blocks.p):
            raise errors.InputError(
                f"HMF: n_components={k!r} must be an int of at least 1 and at most the number of "
                f"rows and columns, but n_samples={blocks.n} and n_features={blocks.p}."
            )
        if self.scatter is not None and not 0 <= self.scatter < np.inf:
            raise errors.InputError(f"HMF: scatter must be at least 0, not {self.scatter!r}.")
        if not self.smooth >= 0 or self.max_iter < 1:
            raise errors.InputError("HMF: smooth must be at least 0 and max_iter at least 1.")
        if self.smooth and self.nonnegative:
            raise errors.InputError("HMF: components cannot be held smooth and non-negative both.")

    def _start(self, X: FloatArray, ivar: FloatArray | None) -> Factors:
        """Make a first guess: principal components of some rows, gaps filled by the mean."""
        start, mean = filled(X, ivar)
        values = X.size if ivar is None else np.count_nonzero(ivar)
        if self.nonnegative:
            axes = first_components(start, self.n_components)
            left = 0.1 * float(np.var(start))
            scatter2 = left if self.scatter is None else float(self.scatter) ** 2
            spread = np.full(len(axes), float((mean**2).sum()))
            return Factors(0.0 * mean, axes, spread, scatter2, prior=False, nonnegative=True)
        R = start - mean
        small = min(X.shape) <= 1000
        if small:
            _, size, axes = np.linalg.svd(R, full_matrices=False)
            size, axes = size[: self.n_components], axes[: self.n_components]
        else:
            _, size, axes = randomized_svd(R, self.n_components, random_state=self.random_state)
        total = float((R**2).sum())
        left = max(total - float((size**2).sum()), 1e-6 * total) / max(values, 1)
        scatter2 = left if self.scatter is None else float(self.scatter) ** 2
        spread = size**2 / len(X)
        return Factors(mean, signed(axes), spread, scatter2, bool(self.prior))

    @property
    def _factors(self) -> Factors:
        parts = self.mean_, self.components_, self.spread_
        prior = bool(self.prior) and not self.nonnegative
        return Factors(*parts, self.scatter_**2, prior, bool(self.nonnegative))

    def _transform(self, X: FloatArray, ivar: FloatArray | None) -> FloatArray:
        return self._scores(X, ivar)[0]

    def _scores(self, X: FloatArray, ivar: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        now = self._factors
        return now.posterior(X - self.mean_, now.weights(ivar))

    def transform_dist(self, X: Any, *, ivar: Any = None) -> Gaussian:
        """Map rows to the posterior of their scores: mean (m, k) and covariance (m, k, k)."""
        mean, precision = self._scores(*self._weighted(self._rows(X, reset=False), ivar))
        covariance = np.broadcast_to(np.linalg.inv(precision), (*mean.shape, mean.shape[1]))
        return Gaussian(mean, Dense((covariance + covariance.swapaxes(1, 2)) / 2))

    def _weighted(self, X: FloatArray, ivar: Any) -> tuple[FloatArray, FloatArray | None]:
        """Let values without errors be exact, and not of variance 1, where others are missing."""
        X, weight = super()._weighted(X, ivar)
        if ivar is None and weight is not None:
            weight = np.where(weight > 0, np.inf, 0.0)
        return X, weight

    def _inverse_transform(self, Z: FloatArray) -> FloatArray:
        return np.asarray(latent(Z, len(self.components_)) @ self.components_ + self.mean_)

    def _inverse_jacobian(self, Z: FloatArray) -> FloatArray:
        return np.asarray(self.components_.T)

    def set_state(self, state: Any) -> Self:
        """Take on what was learned, after checking it."""
        if state:
            p = state.get("n_features_in_")
            k = len(state_array(state, "components_", (None, p)))
            state_array(state, "mean_", (p,))
            state_array(state, "costs_", (None,))
            if (state_array(state, "spread_", (k,)) < 0).any():
                raise errors.StateError("'spread_' holds variances, but one of them is negative.")
            check_number(state, "scatter_")
            check_number(state, "n_iter_", int)
        return super().set_state(state)


def _seen(ivar: FloatArray | None) -> bool:
    """Tell whether any value was observed."""
    return ivar is None or bool(ivar.any())
