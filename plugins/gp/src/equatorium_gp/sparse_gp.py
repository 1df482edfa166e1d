"""The emulator ``sparse-gp``: Gaussian processes with inducing points, for up to 1e5 runs."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch

from equatorium import Emulator, Gaussian, one_thread, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp import kernels
from equatorium_gp.bound import MEMORY, Rows, Solved, cholesky_of, features, total, value
from equatorium_gp.components import Components
from equatorium_gp.correlation import shrunk_correlation, variance_factor
from equatorium_gp.devices import present_device, to_device, usable_device
from equatorium_gp.fit import Budget, Problem
from equatorium_gp.inducing import greedy, matrix, own
from equatorium_gp.noise import factorise
from equatorium_gp.options import PLAIN, check_flag, check_seed, chosen_trend
from equatorium_gp.outputs import Mixing
from equatorium_gp.refine import refined
from equatorium_gp.shared import Shared
from equatorium_gp.spectral import Contrasts, Tensor, array, tensor
from equatorium_gp.trend import Basis, terms

FIRST = 60  # evaluations of the exact likelihood of the subset
CANDIDATES = 20  # runs for each inducing point, among which it is chosen
ROWS = 10_000  # runs whose bound is refined
HELD_OUT = 4000  # runs, left out one by one, that tell how large errors are
ENOUGH = 200  # of them from which each output tells its own
FACTORS = 0.1  # least of an output's own variance factor: the bound overrates noise


class SparseGP(Emulator):
    r"""Trend, Gaussian process and nugget, seen through inducing points: cost linear in the runs.

    .. math:: y_i(\theta) = \sum_j \beta_{ij} g_j(\theta) + u_i(\theta) + \nu_i(\theta), \qquad
              u_i \sim GP(0, s_i K),

    as `TrendGP`, all outputs (or the components that diagonalise their covariance) with one kernel
    K, each with its own scale and nugget. The process is conditioned on its values at m of the
    runs by the collapsed variational bound (Titsias 2009; `equatorium_gp.bound`), whose predictions
    come near the exact ones as m grows and equal them where m = n, at a cost of n m^2.

    1. `n_subset` random runs give the kernel by their exact likelihood.
    2. Inducing points are chosen greedily, each the run whose variance the others leave greatest
       (Burt, Rasmussen & van der Wilk 2020), among 20 m random runs.
    3. L-BFGS on the bound of up to 10,000 random runs refines kernel, scales and nuggets. Inducing
       points are chosen anew; the bound of all runs, in chunks of 256 MiB, gives the rest.
    4. The variance is multiplied so that errors of 4000 runs that are no inducing points, each
       left out in closed form, are as large as predicted.

    Declared noise is used as given, run by run and output by output.

    Parameters
    ----------
    kernel : str
        As in `TrendGP`; "auto" is ``"matern52"``. A term that varies over much less than the
        distance of inducing points can only be taken for noise.
    trend : str
        As in `TrendGP`; "auto" is linear where there are 3 runs per term, else constant.
    n_inducing : int
        At most so many; fewer, where further points would add only rounding.
    n_subset : int
    evaluations : int
        Of the bound; 0 keeps what the subset says.
    output_correlation : bool
        Predict the covariance between outputs; else it is diagonal.
    device : str
        ``"cpu"``, ``"cuda"`` or "auto".
    random_state : int or None
        For the random choices of runs.

    Attributes
    ----------
    inducing_ : (m, d) array
        In units of the runs' box, `low_` and `width_`.
    kernel_, trend_ : str
    kernel_parameters_ : (r,) array
    scale_, nugget_ : (k,) arrays
        Of the components, in units of their variances.
    variance_factor_ : (k,) array
    bound_ : float
        On the log restricted likelihood of all components.

    References
    ----------
    - Titsias M. 2009, AISTATS, PMLR 5, 567
    - Burt D. R., Rasmussen C. E. & van der Wilk M. 2020, Journal of Machine Learning Research 21,
      131, arXiv:2008.00323

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 500)[:, None]
    >>> y = np.sin(9.0 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=500)
    >>> model = SparseGP(n_inducing=20, random_state=0).fit(x, y)
    >>> bool(abs(model.predict([[0.33]])[0] - np.sin(2.97)) < 0.1)
    True
    """

    def __init__(
        self,
        *,
        kernel: str = "auto",
        trend: str = "auto",
        n_inducing: int = 500,
        n_subset: int = 1000,
        evaluations: int = 15,
        output_correlation: bool = True,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.trend = trend
        self.n_inducing = n_inducing
        self.n_subset = n_subset
        self.evaluations = evaluations
        self.output_correlation = output_correlation
        self.device = device
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return fewer inducing points than the kit has runs."""
        return {"kernel": "rbf", "n_inducing": 20, "evaluations": 1}

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        self._check(len(X))
        device = usable_device(self.device)
        rng = np.random.default_rng(self.random_state)
        n, d = X.shape
        noise = None if noise is None or not noise.any() else noise
        self.low_, width = X.min(axis=0), np.ptp(X, axis=0)
        self.width_ = np.where(width > 0, width, 1.0)
        found = Components.of(Y, noise, self.output_correlation)
        self.center_, self.mixing_ = found.center, found.mixing
        scores, x = (Y - found.center) @ found.unmixing, (X - self.low_) / self.width_
        self.trend_ = chosen_trend(self.trend, n, d)
        self.kernel_ = PLAIN if self.kernel == "auto" else self.kernel
        kernel = self._built()
        H = Basis(terms(self.trend_, range(d)))(x)
        declared = None if noise is None else found.noise(noise)
        scale, nugget = self._started(kernel, x, scores, H, declared, rng)
        self.transform_ = Contrasts.of(H, np.ones(n)).transform
        rows = Rows(
            tensor(x, device),
            tensor(scores, device),
            tensor(H @ self.transform_, device),
            None if declared is None else tensor(declared, device),
        )
        few = rows.of(_some(n, ROWS, rng))
        Z = few.X[self._chosen(kernel, few.X, rng)]
        scale, nugget = refined(kernel, Z, few, scale, nugget, self.evaluations)
        raw = [p.detach().cpu().numpy().ravel() for p in kernel.parameters()]
        self.kernel_parameters_ = np.concatenate([np.zeros(0), *raw]).astype(np.float64)
        self.scale_, self.nugget_ = scale, nugget
        chosen = self._chosen(kernel, rows.X, rng)
        self.inducing_ = array(rows.X[chosen])
        self._condition(kernel, rows)
        self._calibrate(rows, chosen, rng)

    def _check(self, n: int) -> None:
        """Refuse options that make no sense."""
        if n < 2:
            raise InputError(
                f"SparseGP needs at least 2 runs to tell signal from nugget: n_samples={n}."
            )
        if not isinstance(self.kernel, str):
            raise InputError(f"kernel={self.kernel!r:.60} must be text such as 'matern52'.")
        check_flag("output_correlation", self.output_correlation)
        check_seed(self.random_state)
        for name, least in (("n_inducing", 1), ("n_subset", 2), ("evaluations", 0)):
            given = getattr(self, name)
            whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
            if not whole or given < least:
                raise InputError(f"{name} must be a whole number from {least}, not {given!r}.")

    def _started(
        self,
        kernel: Any,
        x: FloatArray,
        scores: FloatArray,
        H: FloatArray,
        declared: FloatArray | None,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """Learn the kernel from a subset by its exact likelihood; give scales and nuggets."""
        some = _some(len(x), max(self.n_subset, 2 * H.shape[1]), rng)
        a, b = np.ones(len(some)), None
        if declared is not None:
            product = factorise(declared[some]) if declared[some].any() else None
            a, b = (a, np.zeros(scores.shape[1])) if product is None else product[:2]
        device = present_device(self.device)
        few = Problem(tensor(x[some], device), tensor(scores[some], device), H[some], a, b)
        learned, _ = Shared.learned(kernel, few, Budget(self.n_subset, FIRST, FIRST), rng)
        with torch.no_grad():
            unit = float(own(kernel, few.X).mean())
        share = learned.ratio if declared is None else np.full(len(learned.ratio), learned.delta)
        return learned.scale / unit, share * learned.scale

    def _chosen(self, kernel: Any, X: Tensor, rng: np.random.Generator) -> Any:
        """Choose inducing points among the runs."""
        some = _some(len(X), CANDIDATES * self.n_inducing, rng)
        return some[greedy(kernel, X[some], self.n_inducing)]

    def _condition(self, kernel: Any, rows: Rows) -> None:
        """Take in all runs, as sums over them."""
        Z = tensor(self.inducing_, str(rows.X.device))
        scale, nugget = (tensor(t, str(Z.device)) for t in (self.scale_, self.nugget_))
        with torch.no_grad():
            parts = total(kernel, Z, cholesky_of(matrix(kernel, Z, Z)), rows, nugget)
            precision, shape = rows.precision(nugget), (len(rows), len(Z))
            values = [value(parts, j, scale[j], precision[j], shape) for j in range(len(scale))]
        self.gram_, self.projected_ = array(parts[0]), array(parts[1])
        self.precision_, self.bound_ = array(precision), float(sum(map(float, values)))

    def _calibrate(self, rows: Rows, chosen: Any, rng: np.random.Generator) -> None:
        """Leave runs out, one by one, in closed form; scale the variance to their errors."""
        others = np.setdiff1d(np.arange(len(rows)), chosen)
        enough = len(others) >= ENOUGH
        pool = others if enough else np.arange(len(rows))
        some = rows.of(pool[_some(len(pool), HELD_OUT, rng)])
        k = len(self.scale_)
        self.variance_factor_, self.error_correlation_ = np.ones(k), np.eye(k)
        self._build()
        with torch.no_grad():
            nugget = tensor(self.nugget_, str(rows.X.device))
            weights = array(some.weights(nugget) * some.precision(nugget))
            parts = self._parts(some.X, some.H)
        mean, own_variance, left = (array(t) for t in parts)
        kept = np.maximum(1.0 - weights * own_variance, 1e-10)
        error = (array(some.Y) - mean) / kept
        variance = own_variance / kept + left + self.nugget_
        declared = np.zeros_like(error) if some.noise is None else array(some.noise)
        columns = [slice(j, j + 1) for j in range(k)] if enough else [slice(None)]
        found = [_factor(error[:, c], variance[:, c], declared[:, c], enough) for c in columns]
        self.variance_factor_ = np.broadcast_to(np.array(found), (k,)).copy()
        spread = np.sqrt(self.variance_factor_ * variance + declared)
        self.error_correlation_ = shrunk_correlation(error / spread)

    def _parts(self, X: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (n, k), variance of the linear model (n, k), and what it leaves of the process."""
        m = len(self.inducing_)
        F = features(matrix(self._kernel, self._points, X), self._root, H)
        left = (own(self._kernel, X) - (F[:m] ** 2).sum(dim=0)).clamp_(min=0.0)
        found = [solved.ask(F) for solved in self._solved]
        mean, variance = (torch.stack(t, dim=1) for t in zip(*found, strict=True))
        return mean, variance, left[:, None] * self._scale

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        x, k = (X - self.low_) / self.width_, len(self.scale_)
        mean, variance = np.empty((2, len(X), k))
        step = max(MEMORY // (64 * len(self.inducing_)), 1)
        device = str(self._points.device)
        for start in range(0, len(X), step):
            piece = slice(start, start + step)
            H = self._basis(x[piece]) @ self.transform_
            with torch.no_grad():
                parts = self._parts(tensor(x[piece], device), tensor(H, device))
            mean[piece], free = array(parts[0]), array(parts[1] + parts[2])
            variance[piece] = self.variance_factor_ * (free + self.nugget_)
        return self._mixing.gaussian(mean, variance)

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose arrays fit together, and solve for its outputs."""
        twin: Any = copy.copy(self)  # a state that is refused leaves us as we are
        super(SparseGP, twin).set_state(state)
        if state:
            _check_state(state, self.output_correlation)
            try:
                with one_thread(len(twin.inducing_)):
                    twin._build()
            except (torch.linalg.LinAlgError, InputError) as error:
                raise StateError(f"the state of SparseGP cannot be solved: {error}") from error
        self.__dict__ = twin.__dict__
        return self

    def _build(self) -> None:
        """Make what predictions need of the numbers learned."""
        device = present_device(self.device)
        self._basis = Basis(terms(self.trend_, range(self.n_features_in_)))
        self._kernel = self._built()
        kernels.load(self._kernel, self.kernel_parameters_)
        for parameter in self._kernel.parameters():
            parameter.requires_grad_(False)
        self._points, self._scale = tensor(self.inducing_, device), tensor(self.scale_, device)
        self._root = cholesky_of(matrix(self._kernel, self._points, self._points))
        alone = not self.output_correlation or self.n_outputs_ == 1
        self._mixing = Mixing(self.center_, self.mixing_, self.error_correlation_, alone)
        gram, projected, scale, precision = (
            tensor(t, device) for t in (self.gram_, self.projected_, self.scale_, self.precision_)
        )
        self._solved = [
            Solved.of(
                gram[j if len(gram) > 1 else 0],
                projected[:, j],
                scale[j],
                precision[j],
                len(self.inducing_),
            )
            for j in range(len(scale))
        ]

    def _built(self) -> Any:
        """Build the kernel as it starts."""
        kernel = kernels.build(self.kernel_, self.n_features_in_)
        return to_device(kernel, present_device(self.device))


def _factor(error: FloatArray, variance: FloatArray, declared: FloatArray, down: bool) -> float:
    """Variance factor that errors demand: as near to one as two standard errors allow, if `down`.

    Where declared noise is far larger than the variance, errors hardly tell.
    """
    if not down:
        return variance_factor(error, variance, declared)
    square = error**2 / (variance + declared)
    size, doubt = float(square.mean()), 2.0 * float(square.std()) / np.sqrt(square.size)
    if abs(size - 1.0) <= doubt:
        return 1.0
    least = 1.0 if size > 1.0 else FACTORS
    target = np.sqrt(1.0 + doubt if size > 1.0 else 1.0 - doubt)
    return variance_factor(error / target, variance, declared, least)


def _some(n: int, most: int, rng: np.random.Generator) -> Any:
    """Choose at most so many of n rows at random, in order."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _check_state(state: Mapping[str, Any], output_correlation: bool) -> None:
    """Check every array of a state before anything is computed with it."""
    d, p = state["n_features_in_"], state.get("n_outputs_")
    m = len(state_array(state, "inducing_", (None, d)))
    k = len(state_array(state, "scale_", (None,)))
    for name in ("kernel_", "trend_"):
        if not isinstance(state.get(name), str):
            raise StateError(f"the state of SparseGP needs text {name!r}.")
    try:
        t = len(terms(state["trend_"], range(d)))
        kernels.build(state["kernel_"], d)
    except InputError as error:
        raise StateError(f"the state of SparseGP is damaged: {error}") from error
    q = state_array(state, "transform_", (t, None)).shape[1]
    groups = len(state_array(state, "gram_", (None, m + q, m + q)))
    shapes: dict[str, tuple[int | None, ...]] = {
        "low_": (d,), "width_": (d,), "center_": (p,), "mixing_": (k, p), "nugget_": (k,),
        "precision_": (k,), "projected_": (m + q, k), "variance_factor_": (k,),
        "error_correlation_": (k, k), "kernel_parameters_": (None,),
    }  # fmt: skip
    for name, shape in shapes.items():
        state_array(state, name, shape)
    if m < 1 or groups not in (1, k):
        raise StateError(f"'gram_' of the state of SparseGP must hold 1 or {k} matrices.")
    for name in ("width_", "scale_", "nugget_", "precision_", "variance_factor_"):
        if (state[name] <= 0).any():
            raise StateError(f"{name!r} of the state of SparseGP must be positive.")
    if np.linalg.eigvalsh(state["error_correlation_"])[0] <= 0.0:
        raise StateError("'error_correlation_' of the state of SparseGP is no correlation.")
    if k < 1 or (k < (p or 0) and not output_correlation):
        raise StateError("'mixing_' of the state of SparseGP must have a row for every output.")
