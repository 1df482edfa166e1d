"""The emulator ``grid-gp``: a Gaussian process of an image, or of any regular grid."""

import copy
from collections.abc import Mapping
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.linalg

from equatorium import Diagonal, Emulator, Gaussian, one_thread, state_array
from equatorium.checks import FloatArray
from equatorium.errors import InputError, StateError
from equatorium_gp.grid_fit import dense_likelihood, grid_likelihood, learn, telling
from equatorium_gp.lattice import FAMILIES, Axis, Lattice
from equatorium_gp.options import check_choice, check_seed

DENSE = 800  # pixels up to which a matrix of all serves, and that tell the kernel of a gappy grid
SAME = 1e-9  # of an axis's width: coordinates that are rounding apart are one
MOST_CELLS = 2**23
LONGEST = 4000  # points of an axis: its matrix is decomposed anew for every length tried
MEAN, DRAWN = 1e-10, 1e-3  # relative residuals that conjugate gradients leave
LEAST_NUGGET = 1e-6  # over the scale where they serve: less would not converge
METHODS = ("dense", "complete", "iterative")


class GridGP(Emulator):
    r"""A Gaussian process whose runs are the cells of a grid: an image, a cube.

    .. math:: y(x) = \beta + u(x) + \nu, \qquad u \sim GP\left(0, s \prod_a k_a(x_a)\right),

    with a constant mean (flat prior, its uncertainty is carried), one length an axis, and a nugget.
    Each row of X is one cell's coordinates; cells in any order; cells without a row were not
    observed. The kernel is a product over axes, so that the grid's matrix is a Kronecker product
    (`equatorium_gp.lattice`):

    - ``complete``: all cells, one noise variance. Mean, variance and restricted likelihood are
      exact, by one eigendecomposition an axis.
    - ``iterative``: gaps, or noise that differs. The mean is exact to 1e-10 of the residual, by
      conjugate gradients with the Kronecker preconditioner. The variance is the mean square of
      `draws` from the posterior, off by a factor ``sqrt(2 / draws)`` here and there. The kernel is
      learned by the exact likelihood of 800 pixels, half of them in blocks of neighbours.
    - ``dense``: up to 800 runs that are not complete; all exact, by a matrix of all.

    Parameters
    ----------
    kernel : str or list of str
        ``"matern52"``, ``"matern32"``, ``"matern12"`` or ``"rbf"``; one for all axes or one each.
    draws : int
        From the posterior of a gappy grid, for the variance.
    least_filled : float
        Fraction of the grid's cells that must have a row: fewer say that X is no grid.
    random_state : int or None
        For draws and chosen pixels.

    Attributes
    ----------
    method_ : str
        ``"complete"``, ``"iterative"`` or ``"dense"``.
    shape_ : (d,) array of int
        Of the grid.
    lengths_ : (p, d) array
        In widths of the axes.
    scale_, nugget_ : (p,) arrays
        Variances of the process and the nugget, in units of the outputs' variances.

    References
    ----------
    - Saatci Y. 2011, PhD thesis, University of Cambridge
    - Wilson A. G., Gilboa E., Nehorai A. & Cunningham J. P. 2014, NeurIPS 27, arXiv:1310.5288
    - Wilson J. T. et al. 2021, Journal of Machine Learning Research 22, 105, arXiv:2011.04026

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0.0, 1.0, 30), np.linspace(0.0, 2.0, 40), indexing="ij")
    >>> image = np.sin(4.0 * x) * np.cos(3.0 * y)
    >>> X = np.column_stack([x.ravel(), y.ravel()])
    >>> model = GridGP().fit(X, image.ravel())
    >>> bool(abs(model.predict([[0.51, 1.01]])[0] - np.sin(2.04) * np.cos(3.03)) < 1e-3)
    True
    """

    def __init__(
        self,
        *,
        kernel: Any = "matern52",
        draws: int = 64,
        least_filled: float = 0.1,
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.draws = draws
        self.least_filled = least_filled
        self.random_state = random_state

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return what lets the kit's scattered runs pass for a grid with gaps."""
        return {"least_filled": 0.0}

    def _fit(self, X: FloatArray, Y: FloatArray, noise: FloatArray | None) -> None:
        n, d = X.shape
        if n < 2:
            raise InputError(
                f"GridGP needs at least 2 runs to tell signal from nugget: n_samples={n}."
            )
        self._families(d)
        whole = isinstance(self.draws, int | np.integer) and not isinstance(self.draws, bool)
        if not whole or self.draws < 2:
            raise InputError(f"draws must be a whole number from 2, not {self.draws!r}.")
        filled = self.least_filled
        if isinstance(filled, bool) or not isinstance(filled, Real) or not 0 <= filled <= 1:
            raise InputError(f"least_filled={filled!r} must be a number from 0 to 1.")
        check_seed(self.random_state)
        noise = np.zeros_like(Y) if noise is None else noise
        self.low_, width = X.min(axis=0), np.ptp(X, axis=0)
        self.width_ = np.where(width > 0, width, 1.0)
        spread = Y.std(axis=0)
        self.center_ = Y.mean(axis=0)
        size = np.where(self.center_ != 0, np.abs(self.center_), 1.0)
        self.spread_ = np.where(spread > 1e-12 * size, spread, size)
        x, y = (X - self.low_) / self.width_, (Y - self.center_) / self.spread_
        variance = noise / self.spread_**2
        points, place = _axes(x)
        self.shape_ = np.array([len(p) for p in points])
        self._refuse_scattered(n)
        complete = n == np.prod(self.shape_, dtype=float) and self._one_a_cell(place) == n
        if complete and (np.ptp(variance, axis=0) <= 1e-12 * variance.max(axis=0)).all():
            self.method_ = METHODS[1]
        else:
            self.method_ = METHODS[0 if n <= DENSE else 2]
        if self.method_ == METHODS[2] and self._one_a_cell(place) < n:
            raise InputError(
                "two rows of X are the same cell of the grid: average their values, and their "
                "noise, or use sparse-gp."
            )
        few, p = self.method_ == METHODS[0], Y.shape[1]
        self.points_ = np.concatenate(points) if not few else np.zeros(0)
        self.X_: FloatArray = x if few else np.zeros((0, d))
        self.Y_: FloatArray = y if few else np.zeros((0, p))
        self.noise_ = variance if few else np.zeros((0, p))
        self._learn(x, y, variance, points, place)

    def _refuse_scattered(self, n: int) -> None:
        """Refuse runs that fill hardly any of the grid that their coordinates span."""
        cells = np.prod(self.shape_, dtype=float)
        text = " x ".join(str(size) for size in self.shape_)
        if n < self.least_filled * cells:
            raise InputError(
                f"X is not on a grid: its {n} rows have coordinates that span {text} = {cells:.3g} "
                f"cells, of which they fill {n / cells:.2g}, less than least_filled="
                f"{self.least_filled}. Use sparse-gp for scattered runs, or round coordinates that "
                "should be equal."
            )
        if n > DENSE and cells > MOST_CELLS:
            raise InputError(
                f"the grid has {text} = {cells:.3g} cells, more than the {MOST_CELLS} that GridGP "
                "takes: use sparse-gp, or cut it to pieces."
            )
        if (longest := int(self.shape_.max())) > LONGEST:
            raise InputError(
                f"an axis of the grid has {longest} points, more than the {LONGEST} that GridGP "
                "takes, for its cost grows with their cube: use sparse-gp, or cut it to pieces."
            )

    def _one_a_cell(self, place: npt.NDArray[np.intp]) -> int:
        """Count the cells that have a row."""
        return len(np.unique(place, axis=0))

    def _learn(
        self,
        x: FloatArray,
        y: FloatArray,
        variance: FloatArray,
        points: list[FloatArray],
        place: npt.NDArray[np.intp],
    ) -> None:
        """Learn kernels, and the processes given the runs."""
        rng = np.random.default_rng(self.random_state)
        d, p = x.shape[1], y.shape[1]
        families = self._families(d)
        found = []
        some = telling(x, DENSE, rng)
        on_grid = np.full((2, p, *self.shape_), 0.0) if self.method_ != METHODS[0] else None
        if on_grid is not None:
            for values, target in zip((y, variance), on_grid, strict=True):
                target[(slice(None), *place.T)] = values.T
        for j in range(p):
            if self.method_ == METHODS[1] and on_grid is not None:
                level = float(variance[:, j].mean())
                likelihood = grid_likelihood(points, on_grid[0, j], level, families)
            else:
                chosen = x[some], y[some, j], variance[some, j]
                likelihood = dense_likelihood(*chosen, families)
            found.append(learn(likelihood, d, bool(variance[:, j].any())))
        self.lengths_ = np.array([one[:d] for one in found])
        self.scale_, self.nugget_ = (np.array([one[d + k] for one in found]) for k in (0, 1))
        cells = 1 if on_grid is None else int(np.prod(self.shape_))
        number = self.draws if self.method_ == METHODS[2] else 0
        self.solution_, self.draws_ = np.zeros((p, 2, cells)), np.zeros((p, number, cells))
        self.mean_, self.information_, self.level_ = np.zeros((3, p))
        if on_grid is None:
            return
        observed = np.zeros(tuple(self.shape_))
        observed[tuple(place.T)] = 1.0
        for j in range(p):
            if number:
                self.nugget_[j] = max(self.nugget_[j], LEAST_NUGGET * self.scale_[j])
            weight = observed / (self.nugget_[j] + on_grid[1, j])
            self._solve(j, on_grid[0, j], weight, rng)

    def _solve(
        self, j: int, values: FloatArray, weight: FloatArray, rng: np.random.Generator
    ) -> None:
        """Condition output j on its cells (shape) with inverse noise variances."""
        lattice = self._lattice(j)
        data = np.stack([values, np.ones_like(values)])
        v = lattice.solve(lattice.pulled(weight * data), weight, MEAN)
        rest = weight * (data - lattice.function(v))  # the inverse covariance times the data
        self.information_[j] = max(float(rest[1].sum()), 1e-300)
        self.mean_[j] = float(rest[0].sum()) / self.information_[j]
        # In the grid's own coordinates: eigenvectors are another library's choice elsewhere.
        self.solution_[j] = lattice.back(v).reshape(2, -1)
        self.level_[j] = float(weight.mean())
        if self.method_ == METHODS[2]:
            drawn = lattice.draws(weight, self.draws, rng, DRAWN)
            self.draws_[j] = lattice.back(drawn).reshape(self.draws, -1)

    def _families(self, d: int) -> list[str]:
        """Name the kernel of each axis."""
        listed = isinstance(self.kernel, list | tuple)
        names = list(self.kernel) if listed else [self.kernel] * d
        if len(names) != d:
            raise InputError(f"kernel={self.kernel!r} must name one kernel for all {d} axes, or d.")
        for name in names:
            check_choice("kernel", name, tuple(FAMILIES))
        return names

    def _lattice(self, j: int) -> Lattice:
        """Build the grid of output j."""
        points = np.split(self.points_, np.cumsum(self.shape_)[:-1])
        families = self._families(len(points))
        parts = zip(points, families, self.lengths_[j], strict=True)
        axes = [Axis.of(x, family, float(length)) for x, family, length in parts]
        return Lattice(axes, float(self.scale_[j]))

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        x = (X - self.low_) / self.width_
        parts = [self._outputs[j](x) for j in range(self.n_outputs_)]
        mean, variance = (np.stack(t, axis=1) for t in zip(*parts, strict=True))
        mean = self.center_ + self.spread_ * mean
        return Gaussian(mean, Diagonal(self.spread_**2 * (variance + self.nugget_)))

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose arrays fit together, and decompose its axes."""
        twin: Any = copy.copy(self)  # a state that is refused leaves us as we are
        twin._outputs = []
        super(GridGP, twin).set_state(state)
        if state:
            _check_state(state)
            make = twin._dense_output if twin.method_ == METHODS[0] else twin._grid_output
            try:
                with one_thread(max(len(twin.X_), *twin.shape_)):
                    twin._outputs = [make(j) for j in range(twin.n_outputs_)]
            except np.linalg.LinAlgError as error:
                raise StateError(f"the state of GridGP cannot be solved: {error}") from error
        self.__dict__ = twin.__dict__
        return self

    def _grid_output(self, j: int) -> Any:
        """Give what predicts output j from the grid: mean and variance (m,), without nugget."""
        lattice, shape = self._lattice(j), tuple(self.shape_)
        v = lattice.turned(self.solution_[j].reshape(2, *shape))
        drawn = lattice.turned(self.draws_[j].reshape(-1, *shape))
        linear = np.concatenate([(v[0] - self.mean_[j] * v[1])[None], v[1:], drawn])
        known = -np.ones(shape)  # what of the kernel the grid's values would take away
        if not len(drawn):
            known += 1.0 / (1.0 + self.level_[j] * lattice.values)

        numbers = self.mean_[j], self.information_[j], len(drawn) > 0
        return partial(_from_grid, lattice, linear, known, *numbers)

    def _dense_output(self, j: int) -> Any:
        """Give what predicts output j from a matrix of all runs."""
        families = self._families(self.X_.shape[1])

        kernel = partial(_product, families, self.lengths_[j], self.scale_[j], self.X_)
        S = kernel(self.X_)
        S[np.diag_indices(len(S))] += self.nugget_[j] + self.noise_[:, j]
        L: Any = np.linalg.cholesky(S)
        data = np.column_stack([self.Y_[:, j], np.ones(len(S))])
        white = scipy.linalg.solve_triangular(L, data, lower=True)
        information = float(white[:, 1] @ white[:, 1])
        mean = float(white[:, 0] @ white[:, 1]) / information
        return partial(_from_all, kernel, self.scale_[j], L, white, mean, information)


def _product(
    families: list[str], lengths: FloatArray, scale: float, B: FloatArray, A: FloatArray
) -> FloatArray:
    """Kernel (m, n) between A (m, d) and B (n, d)."""
    parts = zip(families, A.T, B.T, lengths, strict=True)
    found = [FAMILIES[f](np.abs(a[:, None] - b) / h)[0] for f, a, b, h in parts]
    return np.asarray(scale * np.prod(found, axis=0))


def _from_grid(
    lattice: Lattice,
    linear: FloatArray,
    known: FloatArray,
    mean: float,
    information: float,
    drawn: bool,
    x: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (m,) without nugget, from the grid's solution and draws."""
    one, two = lattice.at(x, linear, known[None])
    left = np.maximum(lattice.scale + two[0], 0.0)
    if drawn:
        left = left + (one[2:] ** 2).mean(axis=0)
    return mean + one[0], left + (1.0 - one[1]) ** 2 / information


def _from_all(
    kernel: Any,
    scale: float,
    L: FloatArray,
    white: FloatArray,
    mean: float,
    information: float,
    x: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (m,) without nugget, from the factor L (n, n) of all runs."""
    u = scipy.linalg.solve_triangular(L, kernel(x).T, lower=True)
    found, one = white.T @ u
    left = np.maximum(scale - (u**2).sum(axis=0), 0.0)
    return mean + found - mean * one, left + (1.0 - one) ** 2 / information


def _axes(x: FloatArray) -> tuple[list[FloatArray], npt.NDArray[np.intp]]:
    """Find the coordinates of each axis, and the cell (n, d) of each row."""
    points, place = [], np.empty(x.shape, dtype=np.intp)
    for a, values in enumerate(x.T):
        order = np.argsort(values, kind="stable")
        new = np.diff(values[order], prepend=-np.inf) > SAME
        place[order, a] = np.cumsum(new) - 1
        points.append(values[order][new])
    return points, place


def _check_state(state: Mapping[str, Any]) -> None:
    """Check every array of a state before anything is computed with it."""
    d, p = state["n_features_in_"], state.get("n_outputs_")
    method = state.get("method_")
    if method not in METHODS:
        raise StateError(f"'method_' of the state of GridGP must be one of {METHODS}.")
    sizes = state_array(state, "shape_", (d,), kinds="i")
    if (sizes < 1).any() or np.prod(sizes, dtype=float) > 1e300:
        raise StateError("'shape_' of the state of GridGP must be whole numbers from 1.")
    n = len(state_array(state, "X_", (None, d)))
    few = method == METHODS[0]
    cells = 1.0 if few else np.prod(sizes, dtype=float)
    if few != (n > 0) or (not few and (cells > 2 * MOST_CELLS or sizes.max() > LONGEST)):
        raise StateError("'X_' or 'shape_' of the state of GridGP is damaged.")
    number = len(state_array(state, "draws_", (p, None, int(cells)))[0])
    if (number > 0) != (method == METHODS[2]):
        raise StateError("'draws_' of the state of GridGP do not fit its 'method_'.")
    shapes: dict[str, tuple[int | None, ...]] = {
        "low_": (d,), "width_": (d,), "center_": (p,), "spread_": (p,), "lengths_": (p, d),
        "scale_": (p,), "nugget_": (p,), "mean_": (p,), "information_": (p,), "level_": (p,),
        "solution_": (p, 2, int(cells)), "Y_": (n, p), "noise_": (n, p),
        "points_": (0 if few else int(sizes.sum()),),
    }  # fmt: skip
    for name, shape in shapes.items():
        state_array(state, name, shape)
    for name in ("width_", "spread_", "lengths_", "scale_", "nugget_"):
        if (state[name] <= 0).any():
            raise StateError(f"{name!r} of the state of GridGP must be positive.")
    if (state["noise_"] < 0).any() or (state["level_"] < 0).any():
        raise StateError("'noise_' and 'level_' of the state of GridGP must not be negative.")
    if not few and (state["information_"] <= 0).any():
        raise StateError("'information_' of the state of GridGP must be positive.")
