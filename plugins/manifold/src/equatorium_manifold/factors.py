r"""One round of expectation and maximisation of a low-rank model of rows with errors and gaps.

.. math:: x_{ij} = \mu_j + \sum_a z_{ia} V_{aj} + \epsilon_{ij}, \qquad
          z_i \sim N(0, \Lambda), \quad \epsilon_{ij} \sim N(0, s^2 + 1 / w_{ij})

All sums over rows are taken block by block: the rows themselves are never needed together.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solveh_banded

from equatorium.checks import FloatArray
from equatorium_manifold.nonnegative import solve_nonnegative

_FLAT = 1e-8  # a flat prior is one that is this much wider: rows without a pixel stay finite
_TINY = 1e-140
_ROUND = 1e-31  # the square of the relative error of a rounded number


@dataclass(frozen=True)
class Factors:
    """The parameters of the model.

    Attributes
    ----------
    mean : ndarray, shape (p,)
    components : ndarray, shape (k, p)
        V, with orthonormal rows unless they are held non-negative.
    spread : ndarray, shape (k,)
        Variances of the scores, the diagonal of Lambda.
    scatter2 : float
        The variance s^2 that is no measurement error.
    prior : bool
        Whether scores have the prior N(0, Lambda), or are free.
    nonnegative : bool
        Whether scores and components are held so; the mean is then zero.
    """

    mean: FloatArray
    components: FloatArray
    spread: FloatArray
    scatter2: float
    prior: bool = True
    nonnegative: bool = False

    @property
    def k(self) -> int:
        """Number of components."""
        return len(self.components)

    @property
    def precision(self) -> FloatArray:
        """Inverse variances of the prior of the scores, shape (k,)."""
        wide = np.maximum(self.spread, 1e-12 * self.spread.max(initial=0.0) + _TINY)
        return np.asarray((1.0 if self.prior else _FLAT) / wide)

    def weights(self, ivar: FloatArray | None) -> FloatArray:
        """Return 1 / (s^2 + 1 / ivar), shape (m, p), or (1, 1) for complete rows without errors."""
        rounding = _ROUND * float(np.mean(self.mean**2)) + _TINY
        exact = max(self.scatter2, 1e-8 * float(self.spread.sum()) / len(self.mean) + rounding)
        if ivar is None:
            return np.full((1, 1), 1.0 / exact)
        with np.errstate(divide="ignore"):  # not observed: infinite variance, no weight
            return np.asarray(1.0 / (exact + 1.0 / ivar))

    def normal(self, weight: FloatArray) -> FloatArray:
        """Return V W V^T of every row, packed, (m, k (k + 1) / 2); (1, ...) if all are the same."""
        a, b = np.tril_indices(self.k)
        weight = np.broadcast_to(weight, (len(weight), len(self.mean)))
        return np.asarray(weight @ (self.components[a] * self.components[b]).T)

    def posterior(self, R: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean (m, k) and precision matrix (m, k, k) of the scores of R = X - mean."""
        A = unpack(self.normal(weight))
        np.einsum("...ii->...i", A)[...] += self.precision
        right = (weight * R) @ self.components.T
        if self.nonnegative:
            return solve_nonnegative(A, right), A
        return np.asarray(np.linalg.solve(A, right[..., None])[..., 0]), A


@dataclass
class Sums:
    """What one pass over the rows leaves: all that the next parameters depend on."""

    normal: FloatArray  # (p, K (K + 1) / 2), packed, K = k + 1 with the mean
    right: FloatArray  # (p, K)
    second: FloatArray  # (k, k): sum of E[z z^T]
    first: FloatArray  # (k,)
    rows: int = 0
    cost: float = 0.0  # minus twice the log-likelihood, without its constant
    squares: float = 0.0  # of what is left, for the scatter: numerator and denominator
    weight: float = 0.0

    @classmethod
    def empty(cls, k: int, p: int) -> "Sums":
        """Return sums over no rows."""
        K = k + 1
        wide = (np.zeros((p, K * (K + 1) // 2)), np.zeros((p, K)))
        return cls(*wide, np.zeros((k, k)), np.zeros(k))

    def add(self, now: Factors, X: FloatArray, ivar: FloatArray | None) -> None:
        """Add the rows of a block."""
        W, R = now.weights(ivar), X - now.mean
        Z, A = now.posterior(R, W)
        a, b = np.tril_indices(now.k)
        C = np.broadcast_to(pack(np.linalg.inv(A)), (len(Z), len(a)))
        E = Z[:, a] * Z[:, b]
        if now.prior:
            E += C
        left = (R - Z @ now.components) ** 2
        same = W.shape != R.shape  # complete rows without errors
        repeat = R.size / W.size
        some = slice(None, None, 4 if len(Z) >= 400 else 1)  # one number needs no more rows
        if not same:
            some = np.flatnonzero(W.any(axis=1))[some]  # of rows that say something
        W2 = W if same else W[some]
        unsure = (C[some] * now.normal(W2**2)) @ np.where(a == b, 1.0, 2.0)
        self.squares += float((W2**2 * left[some]).sum() + unsure.sum())
        self.weight += float(np.broadcast_to(W2, left[some].shape).sum())
        logs = np.log(np.where(W > 0, W, 1.0)).sum()
        self.cost += float((W * left).sum()) - repeat * float(logs)
        if now.prior:
            logdet = np.linalg.slogdet(A)[1] - np.log(now.precision).sum()
            self.cost += float((Z**2 * now.precision).sum() + (len(Z) / len(A)) * logdet.sum())
        self.second += unpack(E.sum(axis=0)[None])[0]
        self.first += Z.sum(axis=0)
        self.rows += len(Z)
        wide = np.column_stack([Z, np.ones(len(Z))])
        packed = np.concatenate([E, wide], axis=1)  # E[(z, 1) (z, 1)^T], its last row last
        self.normal += W[0, 0] * packed.sum(axis=0) if same else W.T @ packed
        self.right += (W * R).T @ wide

    def solve(self, smooth: float) -> FloatArray:
        """Return the components and the shift of the mean, shape (k + 1, p)."""
        N = unpack(self.normal)
        size = np.einsum("pkk->k", N) / len(N)
        np.einsum("pkk->pk", N)[...] += 1e-10 * size + _TINY
        if smooth > 0:
            return _smooth(N, self.right, smooth * size)
        return np.asarray(np.linalg.solve(N, self.right[..., None])[..., 0].T)


def step(now: Factors, sums: Sums, *, smooth: float, learn_scatter: bool) -> Factors:
    """Return the next parameters, with the scores' variance taken into the components."""
    if now.nonnegative:
        return _nonnegative_step(now, sums, learn_scatter)
    raw = sums.solve(smooth)
    shift = sums.first / sums.rows
    second = sums.second / sums.rows - np.outer(shift, shift)
    root = np.linalg.cholesky(second + np.eye(now.k) * (1e-14 * np.trace(second) + _TINY))
    _, size, axes = np.linalg.svd(root.T @ raw[:-1], full_matrices=False)
    scatter2 = _next_scatter(now, sums, learn_scatter)
    mean = now.mean + raw[-1] + shift @ raw[:-1]
    return replace(now, mean=mean, components=signed(axes), spread=size**2, scatter2=scatter2)


def _next_scatter(now: Factors, sums: Sums, learn: bool) -> float:
    return now.scatter2 * (sums.squares / max(sums.weight, _TINY) if learn else 1.0)


def _nonnegative_step(now: Factors, sums: Sums, learn_scatter: bool) -> Factors:
    k = now.k
    V = solve_nonnegative(unpack(sums.normal)[:, :k, :k], sums.right[:, :k]).T
    length = np.maximum(np.linalg.norm(V, axis=1), _TINY)
    spread = np.diag(sums.second) / sums.rows * length**2
    scatter2 = _next_scatter(now, sums, learn_scatter)
    return replace(now, components=V / length[:, None], spread=spread, scatter2=scatter2)


def signed(components: FloatArray) -> FloatArray:
    """Turn every component so that its largest value is positive: signs mean nothing."""
    largest = np.abs(components).argmax(axis=1)
    sign = np.sign(components[np.arange(len(components)), largest])
    return np.asarray(components * np.where(sign == 0, 1.0, sign)[:, None])


def pack(S: FloatArray) -> FloatArray:
    """Return the lower triangles of symmetric matrices (m, k, k), shape (m, k (k + 1) / 2)."""
    k = S.shape[-1]
    a, b = np.tril_indices(k)
    return np.take(S.reshape(len(S), k * k), k * a + b, axis=1)


def unpack(packed: FloatArray) -> FloatArray:
    """Undo `pack`.

    >>> unpack(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    k = int(np.sqrt(2 * packed.shape[1]))
    a, b = np.tril_indices(k)
    place = np.empty((k, k), dtype=np.intp)
    place[a, b] = place[b, a] = np.arange(len(a))
    return np.take(packed, place.ravel(), axis=1).reshape(-1, k, k)


def _smooth(N: FloatArray, right: FloatArray, penalty: FloatArray) -> FloatArray:
    """Solve for all pixels at once, differences of neighbours penalised: block tridiagonal."""
    p, K = right.shape
    count = np.full(p, 2.0)
    count[[0, -1]] = 1.0
    N = N + (count[:, None] * penalty)[:, :, None] * np.eye(K)
    bands = np.zeros((K + 1, p, K))
    for a in range(K):
        for b in range(a + 1):
            bands[a - b, :, b] = N[:, a, b]
    bands[K, :-1] = -penalty
    flat = solveh_banded(bands.reshape(K + 1, p * K), right.ravel(), lower=True)
    return np.asarray(flat.reshape(p, K).T)
