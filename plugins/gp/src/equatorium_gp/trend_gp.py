"""The emulator ``trend-gp``: polynomial trend + Gaussian process + nugget, many outputs at once."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import gpytorch
import numpy as np

from equatorium import one_thread
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp import domain, kernels
from equatorium_gp.components import Components
from equatorium_gp.devices import check_memory, present_device, to_device, usable_device
from equatorium_gp.fit import START, Budget
from equatorium_gp.groups import Groups
from equatorium_gp.options import (
    check_choice,
    check_flag,
    check_seed,
    check_sharing,
    check_whole,
    chosen_kernel,
    chosen_trend,
)
from equatorium_gp.outputs import Mixing
from equatorium_gp.predicting import ProcessEmulator
from equatorium_gp.process import Process
from equatorium_gp.sharing import MOST_APART, better_of_both
from equatorium_gp.state import check_state, migrated
from equatorium_gp.trend import Basis, active_inputs, terms

FIRST = 60  # evaluations of the likelihood of the subset


class TrendGP(ProcessEmulator):
    r"""Polynomial trend, Gaussian process and nugget, for many outputs at the cost of a few.

    For every output i

    .. math:: M_i(\theta) = \sum_j \beta_{ij} g_{ij}(\theta) + u_i(\theta) + \nu_i(\theta),

    a polynomial g of the active inputs by generalised least squares (a flat prior on beta, whose
    uncertainty the prediction carries), a Gaussian process u, and a nugget nu for what the inputs
    do not explain.

    Outputs may share kernels (`sharing`). By default, where there are three runs per output, they
    are emulated through the components that diagonalise their covariance and their noise
    (`equatorium_gp.components`): the few that vary most share one kernel, the others, rougher
    functions, a second. Each component has its own trend, signal variance and nugget, at the cost
    of one (`equatorium_gp.spectral`). The kernels' parameters maximise the exact restricted
    likelihood, by L-BFGS, under weak log-normal priors.

    Parameters
    ----------
    kernel : str or gpytorch.kernels.Kernel
        A sum of products of kernel names (`equatorium_gp.kernels`), such as ``"matern52"`` or
        ``"scale(rbf[0,1] * periodic[2])"``; it sees inputs scaled to the unit box of the runs. A
        live kernel is copied, its values are the start, its registered priors replace ours. "auto":
        ``"scale(matern52) + scale(rbf)"`` where there are 20 values of outputs for each of its
        parameters, else ``"matern52"``.
    trend : str
        ``"constant"``, ``"linear"``, ``"purequadratic"`` (no products), ``"quadratic"`` or
        ``"cubic"`` in the active inputs; ``"auto"`` is linear with 3 runs per term, else constant.
    active : "all", "auto", int or list of int
        Inputs that trend and process see (a factor of the kernel with its own ``[columns]``
        sees those); what the others do goes to the nugget. See `equatorium_gp.trend.active_inputs`.
    sharing : str
        ``"components"``: as above; ``"all"``: outputs themselves, all with one kernel; ``"each"``:
        outputs themselves, each with a kernel of its own, drawn towards the one that all would
        share; "auto": ``"components"`` (or ``"all"``, where runs are few or without
        `output_correlation`) unless, with at most 12 outputs, ``"each"`` is clearly better by its
        joint leave-one-out log score (`equatorium_gp.sharing.least_gain`), on `n_subset` runs.
        `sharing_` is what was taken. `equatorium.Embedded` shares what any embedder finds.
    output_correlation : bool
        Predict the covariance between outputs; else it is diagonal.
    variance_function : bool or "nugget"
        Let the size of the errors vary with the inputs where leave-one-out errors do, clearly
        (`equatorium_gp.variance_function`). "nugget": without declared noise, let the nugget vary
        so, learn all else again, and then what is left of that function.
    optimise : bool
        Whether to learn the kernel's parameters; scale and nugget are always learned.
    n_subset : int
        Beyond this number of runs, a random subset of so many (and of two for each term of the
        trend) brings the kernel's parameters near their optimum,
    full_evaluations : int
        and so many evaluations of the full likelihood finish.
    domain : str
        What to do with points outside the box of the runs: ``"ignore"``, ``"warn"``, ``"raise"``
        or ``"inflate"`` (the standard deviation doubles within a tenth of the box's width).
    device : str
        Where the matrices live: ``"cpu"``, ``"cuda"``, or "auto", which is CUDA where there is one.
        Arrays go in and come out on the CPU.
    random_state : int or None
        For the subset.

    Attributes
    ----------
    kernel_ : str
        The kernel in use; ``""`` for a live one. `kernel_parameters_` are its raw parameters.
    trend_ : str
    active_ : (k,) array
    coefficients_ : (t, p) array
        ``beta`` of the terms that `terms_` lists, in Legendre polynomials of the inputs scaled to
        [-1, 1], by generalised least squares.
    signal_variance_, nugget_variance_ : (p,) arrays
        In the outputs' squared units.
    mixing_, unmixing_ : (k, p) and (p, k) arrays
        From components to outputs and back; `group_` (k,) says which share a kernel.
    variance_factor_ : (g,) array
        By which variances are larger than the kernels say, so that leave-one-out errors fit them.
    variance_function_, nugget_function_ : (g, 1 + 2 d) arrays
        Coefficients of a further factor that varies with the inputs, and of the nugget's.
    error_correlation_ : (k, k) array
        Of the components' leave-one-out errors, shrunk towards the identity.
    log_likelihood_ : float
        Restricted log marginal likelihood of all outputs.
    noise_misfit_ : float
        Rms of the log ratio of declared to used noise (`equatorium_gp.noise.factorise`).

    References
    ----------
    Rodrigues, Vernon & Bower 2017, MNRAS 466, 2418, doi:10.1093/mnras/stw3269

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 12)[:, None]
    >>> model = TrendGP(kernel="rbf", trend="linear").fit(x, np.sin(4.0 * x[:, 0]))
    >>> mean, std = model.predict([[0.33]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.32)) < 4.0 * std[0] + 1e-6), bool(std[0] < 0.01)
    (True, True)
    """

    # Version 1 had no components, 2 no sharing, no update, 3 no variance, 4 no nugget function.
    state_version = 5

    def __init__(
        self,
        *,
        kernel: Any = "auto",
        trend: str = "auto",
        active: Any = "all",
        sharing: str = "auto",
        output_correlation: bool = True,
        variance_function: bool | str = True,
        optimise: bool = True,
        n_subset: int = 400,
        full_evaluations: int = 8,
        domain: str = "ignore",
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.trend = trend
        self.active = active
        self.sharing = sharing
        self.output_correlation = output_correlation
        self.variance_function = variance_function
        self.optimise = optimise
        self.n_subset = n_subset
        self.full_evaluations = full_evaluations
        self.domain = domain
        self.device = device
        self.random_state = random_state

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        self._take(X, Y, noise)
        if self.sharing == "auto" and 1 < Y.shape[1] <= MOST_APART and self.optimise:
            best = better_of_both(self, few := self._enough())
            if few == len(X):
                self.__dict__.update(best.__dict__)
            else:
                self._fit_as(best.sharing_)
        else:
            self._fit_as("components" if self.sharing == "auto" else self.sharing)

    def _enough(self) -> int:
        """Count the runs that tell what to share: beyond `n_subset`, half of so many will do."""
        if (n := len(self.X_)) <= self.n_subset:
            return n
        self._measure()  # two runs for each term of the trend are needed
        self._structure("all")
        return min(n, max(self.n_subset // 2, 2 * len(self.terms_)))

    def fit_from(self, other: "TrendGP", X: Any, y: Any, *, noise: Any = None) -> Self:
        """Fit as `fit` does, from where another fit to the same runs, with the same kernel, ended.

        Parameters
        ----------
        other : TrendGP
            With another trend, say. Its `sharing_` is taken.
        X, y, noise
            As in `fit`.
        """
        X, Y, noise = self._validate_fit(X, y, noise)
        self._take(X, Y, noise)
        self._fit_as(other.sharing_, other)
        return self._finish()

    def _take(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        """Check options and keep the runs."""
        if (n := len(X)) < 2:
            raise InputError(f"TrendGP needs 2 runs to tell signal from nugget: n_samples={n}.")
        usable_device(self.device)
        check_sharing(self.sharing)
        check_choice("domain", self.domain, domain.POLICIES)
        check_whole("n_subset", self.n_subset, 2)
        check_whole("full_evaluations", self.full_evaluations, 0)
        check_flag("optimise", self.optimise)
        check_flag("output_correlation", self.output_correlation)
        check_flag("variance_function", self.variance_function, "nugget")
        check_seed(self.random_state)
        self.noise_ = np.zeros((0, Y.shape[1])) if noise is None or not noise.any() else noise
        self.X_, self.Y_ = X.copy(), Y.copy()

    def _fit_as(
        self, sharing: str, known: "TrendGP | None" = None, runs: int | None = None
    ) -> None:
        """Learn everything, with outputs that share kernels in one way; perhaps go on from one."""
        if known is None or self.optimise:
            self._measure()
        else:  # a kernel that is not learned anew keeps its units
            self.low_, self.width_ = known.low_, known.width_
        self._structure(sharing, runs)
        if known is None:
            self._learn(*self._started(), FIRST)
        else:
            self._learn_on(known)

    def _measure(self) -> None:
        """Take the box of the runs, whose widths are the units of the inputs."""
        self.low_, width = self.X_.min(axis=0), np.ptp(self.X_, axis=0)
        self.width_ = np.where(width > 0, width, 1.0)

    def _structure(self, sharing: str, runs: int | None = None) -> None:
        """Choose components, active inputs, trend, and the kernel that so many runs can teach."""
        X, Y, n = self.X_, self.Y_, len(self.X_)
        self.sharing_ = sharing
        rotate = self.output_correlation and sharing == "components"
        found = Components.of(Y, self.noise_ if len(self.noise_) else None, rotate)
        self.center_ = found.center
        self.mixing_, self.unmixing_, self.group_ = found.mixing, found.unmixing, found.group
        if sharing == "each":
            self.group_ = np.arange(Y.shape[1])
        check_memory(n, int(self.group_.max()) + 1, present_device(self.device))
        scaled, spread = (X - self.low_) / self.width_, np.maximum(Y.std(axis=0), 1e-300)
        active = active_inputs(scaled, (Y - self.center_) / spread, self.active)
        self.active_ = np.array(active)
        self.trend_ = chosen_trend(self.trend, n, len(active))
        taught = (runs or n) * int((self.group_ == 0).sum())
        self.kernel_ = chosen_kernel(self.kernel, taught, len(active))

    def update(self, X: Any, y: Any, *, noise: Any = None) -> Self:
        """Learn from further runs too: a fit whose kernels start from where they are.

        With ``optimise=False`` they stay there, in the units of the box of the first runs.

        Parameters
        ----------
        X : array_like, shape (m, d)
        y : array_like, shape (m,) or (m, p)
        noise : array_like, shape (m,) or (m, p), optional
            To be given if it was given to `fit`.

        Raises
        ------
        InputError
            If shapes do not fit those of `fit`, or noise is declared to one of both only.
        """
        X, Y, noise = self._validate_update(X, y, noise)
        given = noise is not None and noise.any()
        if (given and not len(self.noise_)) or (noise is None and len(self.noise_)):
            raise InputError("noise must be declared to fit and to update, or to none of both.")
        twin = copy.copy(self)  # what fails leaves us as we are
        twin.X_, twin.Y_ = np.concatenate([self.X_, X]), np.concatenate([self.Y_, Y])
        twin.noise_ = np.concatenate([self.noise_, noise]) if len(self.noise_) else self.noise_
        with one_thread(len(twin.X_)):
            twin._fit_as(self.sharing_, self)
            self.__dict__.update(twin._finish().__dict__)
        return self

    def _learn_on(self, known: "TrendGP") -> None:
        """Learn from where another fit ended, if it has the same kernels."""
        g = len(self._groups.columns)
        same = self.kernel_ == known.kernel_ and np.array_equal(self.active_, known.active_)
        if not same or g != len(known.kernel_parameters_):
            self._learn(*self._started(), FIRST)
            return
        self.common_ = known.common_
        started, starts = [self._build_kernel() for _ in range(g)], []
        for i, kernel in enumerate(started):
            kernels.load(kernel, known.kernel_parameters_[i])
            starts.append(known._ratios(i))
        self._learn(started, starts, FIRST // 2)

    def _ratios(self, g: int) -> tuple[float, float]:
        """Ratios of nugget and declared noise to signal in group g."""
        ratio = float(np.median(self.ratio_[self.group_ == g]))
        return (float(self.delta_[g]), ratio) if len(self.noise_) else (ratio, START[1])

    def _started(self) -> tuple[list[Any], list[tuple[float, float]]]:
        """Kernels and ratios to start from: of outputs apart, what all would share."""
        kernel, groups = self._build_kernel(), self._groups
        self.common_, starts = np.zeros(0), [START for _ in groups.columns]
        if self.sharing_ == "each" and self.n_outputs_ > 1 and self.optimise:
            rng = np.random.default_rng(self.random_state)
            starts = groups.warm(kernel, Budget(self.n_subset, FIRST, 0), rng)
            self.common_ = np.concatenate([c.get() for c in kernels.coordinates(kernel)])
        return [copy.deepcopy(kernel) for _ in starts], starts

    def _learn(self, started: list[Any], starts: list[tuple[float, float]], first: int) -> None:
        """Learn kernel, scale and nugget of each group, and what follows from them."""
        rng = np.random.default_rng(self.random_state)
        centre = self.common_ if self.common_.size else None
        budget = Budget(self.n_subset, first, self.full_evaluations, centre)
        effort = budget if self.optimise else None
        found, coefficients, rank = self._groups.learned(started, starts, effort, rng)
        for name, value in found.items():
            setattr(self, f"{name}_", value)
        sizes = np.linalg.svd(self.mixing_, compute_uv=False)
        self.log_likelihood_ -= (len(self.X_) - rank) * float(np.log(sizes).sum())
        self.coefficients_ = coefficients @ self.mixing_
        self.coefficients_[0] += self.center_

    @property
    def terms_(self) -> list[tuple[int, ...]]:
        """The trend's monomials, each as the tuple of its columns."""
        return terms(self.trend_, [int(j) for j in self.active_])

    @property
    def signal_variance_(self) -> FloatArray:
        """What multiplies the kernel (p,), in the outputs' squared units."""
        return np.asarray(self.scale_ @ self.mixing_**2)

    @property
    def nugget_variance_(self) -> FloatArray:
        """The learned nugget (p,), in the outputs' squared units."""
        share = self.delta_[self.group_] if self.output_noise_.size else self.ratio_
        factor = np.sqrt(share * self.scale_)[:, None] * self.mixing_
        return np.asarray((factor * (self.error_correlation_ @ factor)).sum(axis=0))

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose arrays fit together, and decompose the kernel matrices anew."""
        twin: Any = copy.copy(self)  # a state that is refused leaves us as we are
        twin._process = None
        super(TrendGP, twin).set_state(state)
        if state:
            check_state(twin)
            try:
                with one_thread(len(twin.X_)):  # as in a fit, whose last bits depend on it
                    twin._build()
            except (InputError, np.linalg.LinAlgError) as error:
                raise StateError(f"the state of TrendGP cannot be solved: {error}") from error
        self.__dict__ = twin.__dict__
        return self

    def _build(self) -> None:
        """Make what predictions need of the numbers learned."""
        alone = not self.output_correlation or self.n_outputs_ == 1
        mixing = Mixing(self.center_, self.mixing_, self.error_correlation_, alone)
        self._box = domain.Box(self.X_, getattr(self, "feature_names_in_", None))
        groups = self._groups
        built = [self._build_kernel() for _ in groups.columns]
        shared, basis = groups.rebuilt(self, built), Basis(self.terms_)
        self._process = Process(self.low_, self.width_, basis, groups.columns, shared, mixing)

    @classmethod
    def migrate(cls, state: Mapping[str, Any], version: int) -> dict[str, Any]:
        """Translate a state of an earlier version."""
        return migrated(state, version)

    def save(self, path: str | Path) -> None:
        """Write to an HDF5 file; a live kernel is written in the grammar of kernels, if it can be.

        Raises
        ------
        NotSavableError
            If the kernel is a live one that the grammar has no words for.
        """
        if isinstance(self.kernel, str):
            super().save(path)
            return
        text = kernels.written(self.kernel, self.n_features_in_, len(self.active_))
        twin = type(self)(**{**self.get_params(deep=False), "kernel": text})
        twin.set_state({**self.get_state(), "kernel_": text}).save(path)

    def _build_kernel(self) -> Any:
        """Build the kernel as it starts."""
        if isinstance(self.kernel, gpytorch.kernels.Kernel):
            kernel = copy.deepcopy(self.kernel)
        else:
            active, d = self.active_.tolist(), self.n_features_in_
            kernel = kernels.build(self.kernel_, d, None if len(active) == d else active)
        return to_device(kernel, present_device(self.device))

    @property
    def _groups(self) -> Groups:
        return Groups.of(self, present_device(self.device))
