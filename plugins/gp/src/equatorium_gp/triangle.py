r"""The likelihood of one closed-form kernel and its gradient, on lower triangles.

All n x n matrices of a step are symmetric: what is right of the diagonal is neither worked out nor
read. With the kernel in units of its variance, ``R = sum_t c_t f_t``, runs of relative noise a and
r = a^-1/2, the covariance of :mod:`~equatorium_gp.cholesky` is

    S_ab = r_a R_ab r_b + (delta / a_a + ratio) 1_ab,

and its gradient ``G = dL/dS = 1/2 (B B' - p S^-1)`` gives, for length-scales and amplitudes,

    dL/dlog l_j = 2 sum_{a>b} M_ab (u_aj - u_bj)^2,     M_ab = c_t w_t,ab r_a G_ab r_b,
    dL/dlog c_t = c_t [sum_ab f_t,ab r_a G_ab r_b - sum_ab R_ab r_a G_ab r_b],

by blocks of rows that stay in the cache, in memory that is kept from step to step.
"""

import numpy as np
import torch

from equatorium.checks import FloatArray
from equatorium_gp.cholesky import JITTERS, factored, inverse_triangle, reduced
from equatorium_gp.spectral import Contrasts, Tensor, array
from equatorium_gp.stationary import Stationary, block_rows, blocks


class Triangle:
    """One kernel, the runs, and room for their matrices.

    Parameters
    ----------
    closed : Stationary
        Its parameters may move between calls.
    X : (n, d) tensor
    Y : (n, p) tensor
    contrasts : Contrasts
    """

    def __init__(self, closed: Stationary, X: Tensor, Y: Tensor, contrasts: Contrasts) -> None:
        self.closed, self.X, self.basis = closed, X, contrasts.basis
        self.root = None if bool((contrasts.root == 1.0).all()) else contrasts.root
        self.Y = Y if self.root is None else self.root * Y
        self.white = contrasts.root[:, 0] ** 2
        # S, w of every term, and f of all but the last, which no gradient needs.
        self.total = X.new_empty(len(X), len(X))
        self.w = [torch.empty_like(self.total) for _ in closed.terms]
        self.f = [torch.empty_like(self.total) for _ in closed.terms[1:]]
        self.room = X.new_empty(2, block_rows(self.total) * len(X))

    def __call__(
        self, ratio: float, delta: float = 0.0, scale: float | None = None
    ) -> tuple[float, list[FloatArray], float, float, float]:
        """Log likelihood of all outputs, and its gradient.

        Parameters
        ----------
        ratio, delta : float
            What S has on its diagonal beside the kernel: one number for all runs, and one over a.
        scale : float, optional
            ``s^2`` of every output; by default profiled out.

        Returns
        -------
        value : float
        slopes : list of arrays
            Gradient with respect to the kernel's coordinates.
        by_ratio, by_delta : float
            Gradient with respect to their logs.
        by_scale : float
            As of `equatorium_gp.cholesky.reduced`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If S is not positive definite.
        """
        with torch.no_grad():
            lengths = [term.lengths(self.X) for term in self.closed.terms]
            lengths = [u - u.mean(dim=0) for u in lengths]
            amplitudes = np.array([term.amplitude() for term in self.closed.terms])
            shares = amplitudes / amplitudes.sum()
            diagonal = delta * self.white + ratio
            L = self._factor(lengths, shares, diagonal)
            value, back, by_scale = reduced(L, self.Y, self.basis, scale)
            inverse, p = inverse_triangle(L), self.Y.shape[1]
            by_added = 0.5 * ((back * back).sum(dim=1) - p * inverse.diagonal())
            by_all = by_scale - float(torch.dot(diagonal, by_added))
            slopes = self._slopes(lengths, shares, inverse, back, by_added, by_all)
            by_delta = delta * float(torch.dot(self.white, by_added))
            return value, slopes, ratio * float(by_added.sum()), by_delta, by_scale

    def _factor(self, lengths: list[Tensor], shares: FloatArray, diagonal: Tensor) -> Tensor:
        """Lower factor of S, in its place: where rounding needs a jitter, S is made again."""
        for jitter in JITTERS:
            self._covariance(lengths, shares)
            own = self.total.diagonal().add_(diagonal)
            own += jitter * own.mean()
            found = factored(self.total, clean=False)
            if found is not None:
                return found
        raise np.linalg.LinAlgError("The kernel matrix is not positive definite.")

    def _covariance(self, lengths: list[Tensor], shares: FloatArray) -> None:
        """Work out f and w of all terms, and S but for what is added to its diagonal."""
        pairs = zip(self.closed.terms, lengths, strict=True)
        sides = [(term.left(u), term.right(u)) for term, u in pairs]
        for rows in blocks(self.total):
            columns = slice(rows.stop)
            total = self.total[rows, columns]
            values = [*(f[rows, columns] for f in self.f), total]
            for term, (u, v), f, w in zip(self.closed.terms, sides, values, self.w, strict=True):
                t = term.squares(u[rows], v[:, columns], self.room[0])
                t.diagonal(rows.start).zero_()
                term.family.both(t, f, w[rows, columns])
            if self.f:
                total.mul_(shares[-1])
                for f, share in zip(values[:-1], shares[:-1], strict=True):
                    total.add_(f, alpha=share)
            if self.root is not None:
                total.mul_(self.root[rows]).mul_(self.root[columns].T)

    def _slopes(
        self,
        lengths: list[Tensor],
        shares: FloatArray,
        inverse: Tensor,
        back: Tensor,
        by_added: Tensor,
        by_all: float,
    ) -> list[FloatArray]:
        """Carry ``G = 1/2 (back back' - p inverse)`` over to the kernel's coordinates."""
        ones = torch.ones_like(self.X[:, :1])
        inputs = [torch.cat([u, ones], dim=1) for u in lengths]
        products = [torch.empty_like(u) for u in inputs]  # M (u, 1)
        sums = [torch.zeros_like(ones[:, 0]) for _ in lengths]  # 1' M
        own = by_added * self.white
        by_family = own.sum().repeat(len(self.f))
        for rows in blocks(self.total):
            columns = slice(rows.stop)
            G, M = (room[: rows.stop * (rows.stop - rows.start)] for room in self.room)
            G, M = G.view(-1, rows.stop), M.view(-1, rows.stop)
            torch.mm(back[rows], back[columns].T, out=G)
            G.sub_(inverse[rows, columns], alpha=self.Y.shape[1])
            if self.root is not None:
                G.mul_(self.root[rows]).mul_(self.root[columns].T)
            G[:, rows].tril_(-1)
            for t, f in enumerate(self.f):
                by_family[t] += torch.mul(G, f[rows, columns], out=M).sum()
            for w, u, product, total in zip(self.w, inputs, products, sums, strict=True):
                torch.mul(G, w[rows, columns], out=M)
                torch.mm(M, u[columns], out=product[rows])
                total[columns] += M.sum(dim=0)
        rates = [c * term.family.rate for c, term in zip(shares, self.closed.terms, strict=True)]
        by_length = [
            rate * ((product[:, -1] + total) @ u**2 - 2.0 * (product[:, :-1] * u).sum(dim=0))
            for rate, product, total, u in zip(rates, products, sums, lengths, strict=True)
        ]
        by_share = shares[:-1] * array(by_family)
        by_amplitude = np.append(by_share, by_all - by_share.sum()) - shares * by_all
        return self.closed.gathered(by_length, by_amplitude)
