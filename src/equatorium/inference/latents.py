r"""Latents of counted data integrated out, and the slope of what is left.

The likelihood of counts n whose latent f (a log rate, a logit) is uncertain is

.. math::
   L = \int \prod_i p(n_i \mid f_i)\; N(f;\, \mu, \Sigma)\; df.

*Independent latents*: a product of integrals, each by Gauss-Hermite quadrature about its own peak.
Under the same weights, with the slope g and minus the curvature W of :math:`\log p(n_i | f)`,

.. math::
   \frac{\partial \log L}{\partial \mu_i} = E[g], \qquad
   \frac{\partial \log L}{\partial \Sigma_{ii}} = \tfrac12 E[g^2 - W].

*Correlated ones*: Laplace's approximation about the joint peak :math:`\hat f = \mu + \Sigma a`,
whose relative error falls as one over the counts; with :math:`S = \Sigma + W^{-1}`,

.. math::
   \log L \approx \log p(n \mid \hat f) - \tfrac12 (\hat f - \mu)^T a - \tfrac12 \log |S W|.

Its slope counts how the peak moves, by :math:`h = S^{-1} W^{-1} s` with
:math:`s_i = -\tfrac12 (\Sigma^{-1} + W)^{-1}_{ii}\, dW_i / df_i`:

.. math::
   \frac{\partial \log L}{\partial \mu} = a + h, \qquad
   \frac{\partial \log L}{\partial \Sigma} = \tfrac12 (a a^T - S^{-1} + h a^T + a h^T).

References
----------
Liu & Pierce 1994, doi:10.1093/biomet/81.3.624 (quadrature about the peak); Rasmussen & Williams
2006, Gaussian Processes for Machine Learning, sections 3.4 and 5.5.1 (Laplace's approximation).
"""

from typing import Protocol

import numpy as np
from scipy.special import logsumexp

from equatorium.checks import FloatArray
from equatorium.errors import NotFiniteError
from equatorium.records.covariance import Covariance, Diagonal

_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(20)
_LOG_WEIGHTS = np.log(_WEIGHTS) + np.square(_NODES)
_STEPS = 100  # of Newton's method, at most: each is safe-guarded, and a handful is the rule
_FLATTEST = 1e-12


class Law(Protocol):
    """How probable the data are, given their latents f (m, q)."""

    def terms(self, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log p(n | f), its slope and minus its curvature (positive), all of f's shape."""

    def skew(self, f: FloatArray) -> FloatArray:
        """Slope of minus the curvature."""


def log_integral(law: Law, mean: FloatArray, latent: Covariance) -> FloatArray:
    """Log-likelihood (m,) of data whose latents are N(mean (m, q), latent)."""
    f, a, W, S = _peak(law, mean, latent)
    if isinstance(latent, Diagonal):
        return np.asarray(logsumexp(_at_nodes(law, f, a, W, latent)[0], axis=0).sum(axis=1))
    return _laplace(law, mean, f, a, W, S)


def log_integral_and_slopes(
    law: Law, mean: FloatArray, latent: Covariance
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the same, with its slopes by mean (m, q) and by covariance (m, q, q)."""
    f, a, W, S = _peak(law, mean, latent)
    if isinstance(latent, Diagonal):
        logs, nodes = _at_nodes(law, f, a, W, latent)
        each = logsumexp(logs, axis=0)
        weight = np.exp(logs - each)
        _, g, curvature = (np.stack(part) for part in zip(*map(law.terms, nodes), strict=True))
        by_variance = 0.5 * (weight * (np.square(g) - curvature)).sum(axis=0)
        by_cov = by_variance[:, :, None] * np.eye(f.shape[1])
        return each.sum(axis=1), (weight * g).sum(axis=0), by_cov
    inverse = np.linalg.inv(S.dense())
    spread = (1.0 - np.diagonal(inverse, axis1=1, axis2=2) / W) / W
    h = S.solve(-0.5 * spread * law.skew(f) / W)
    moved = h[:, :, None] * a[:, None, :]
    pull = a[:, :, None] * a[:, None, :] - inverse + moved + np.swapaxes(moved, 1, 2)
    return _laplace(law, mean, f, a, W, S), a + h, 0.5 * pull


def log_left_out(law: Law, mean: FloatArray, latent: Covariance) -> FloatArray:
    r"""Log-probability (m, q) of each datum given the others.

    Of independent latents it is the datum's own integral. Else the others tell of a latent, in
    Laplace's approximation, that it is :math:`N(\hat f_i - v_i a_i, v_i)` with
    :math:`v_i = 1 / (S^{-1})_{ii} - 1 / W_i`, and the datum is integrated over that (Vehtari,
    Mononen, Tolvanen, Sivula & Winther 2016, JMLR 17, 103).
    """
    f, a, W, S = _peak(law, mean, latent)
    if not isinstance(latent, Diagonal):
        variance = np.maximum(1.0 / S.precision_diagonal() - 1.0 / W, 0.0)
        latent = Diagonal._of(variance=variance)
        f, a, W, _ = _peak(law, f - variance * a, latent)
    return np.asarray(logsumexp(_at_nodes(law, f, a, W, latent)[0], axis=0))


def _laplace(
    law: Law, mean: FloatArray, f: FloatArray, a: FloatArray, W: FloatArray, S: Covariance
) -> FloatArray:
    volume = S.logdet() + np.log(W).sum(axis=1)  # |I + Sigma W| = |Sigma + 1 / W| |W|
    return np.asarray(law.terms(f)[0].sum(axis=1) - 0.5 * (((f - mean) * a).sum(axis=1) + volume))


def _at_nodes(
    law: Law, f: FloatArray, a: FloatArray, W: FloatArray, latent: Diagonal
) -> tuple[FloatArray, FloatArray]:
    """Give the logs of each node's part in the integral, and the latents there, (nodes, m, q).

    Nodes are f + sqrt(2) s x, with s the width of the peak, written so that v = 0 does no harm.
    """
    v = np.broadcast_to(latent.variance, f.shape)
    shrink = 1.0 / (1.0 + v * W)
    s = np.sqrt(v * shrink)
    logs, nodes = [], []
    for x, log_weight in zip(_NODES, _LOG_WEIGHTS, strict=True):
        nodes.append(f + np.sqrt(2) * s * x)
        prior = v * np.square(a) + 2 * np.sqrt(2) * a * s * x + 2 * np.square(x) * shrink
        logs.append(log_weight + law.terms(nodes[-1])[0] - 0.5 * prior)
    return np.stack(logs) + 0.5 * np.log(shrink / np.pi), np.stack(nodes)


def _peak(
    law: Law, mean: FloatArray, latent: Covariance
) -> tuple[FloatArray, FloatArray, FloatArray, Covariance]:
    r"""Find where the integrand is largest, by Newton's method.

    A step is a Gaussian regression on pseudo-data z = f + g / W with errors 1 / W, for the slope g
    and curvature W at f: :math:`f \leftarrow \mu + \Sigma a` with
    :math:`a = (\Sigma + 1/W)^{-1} (z - \mu)`, which holds for a variance of zero as well.

    Returns
    -------
    f, a, W : arrays, shape (m, q)
        Peak, :math:`\Sigma^{-1} (f - \mu)`, curvature.
    S : Covariance
        :math:`\Sigma + 1 / W`.
    """
    f = np.array(mean)
    a = np.zeros_like(f)
    objective = law.terms(f)[0].sum(axis=1)
    for _ in range(_STEPS):
        _, slope, W = law.terms(f)
        W = np.maximum(W, _FLATTEST)
        S = latent + Diagonal._of(variance=1.0 / W)
        target = S.solve(f - mean + slope / W)
        towards = mean + latent.dot(target)
        step = np.ones((len(f), 1))
        for _ in range(30):  # halve the steps that overshoot
            new_f, new_a = f + step * (towards - f), a + step * (target - a)
            new = law.terms(new_f)[0].sum(axis=1) - 0.5 * ((new_f - mean) * new_a).sum(axis=1)
            worse = ~(new >= objective - 1e-9 * np.abs(objective))
            if not worse.any():
                break
            step[worse] /= 2
        done = np.abs(new_f - f).max(initial=0.0) < 1e-9
        f, a, objective = new_f, new_a, new
        if done:
            W = np.maximum(law.terms(f)[2], _FLATTEST)
            return f, a, W, latent + Diagonal._of(variance=1.0 / W)
    raise NotFiniteError("The most probable latents of some points cannot be found.")
