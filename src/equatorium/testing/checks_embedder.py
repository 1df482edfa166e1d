"""What embedders must do: map rows to a fixed number of coordinates, and perhaps back."""

import numpy as np

from equatorium.records.covariance import Diagonal
from equatorium.records.prediction import Gaussian
from equatorium.testing.case import Case, expect, spread
from equatorium.testing.declared import check_for
from equatorium.testing.problems import line


@check_for("embedder")
def latent_coordinates_have_a_shape(case: Case) -> None:
    """Rows (m, p) become finite coordinates (m, k), with the same k for any rows."""
    task = case.task()
    model = case.fitted(task)
    Z, other = model.transform(task.X), model.transform(task.query)
    expect(Z.ndim == 2 and len(Z) == len(task.X), f"{task.X.shape} becomes {Z.shape}")
    expect(other.shape == (len(task.query), Z.shape[1]), f"new rows become {other.shape}")
    expect(Z.dtype == np.float64, f"coordinates are of type {Z.dtype}, not float64")
    expect(np.isfinite(Z).all() and np.isfinite(other).all(), "coordinates are not finite")
    expect(spread(Z).max() > 0, "all rows have the same coordinates")


@check_for("embedder", "inverse")
def the_way_back_recovers_a_line(case: Case) -> None:
    """Rows along one direction, which any map can follow, come back with 5 % of their spread."""
    X = line()
    model = case.make().fit(X)
    error = model.inverse_transform(model.transform(X)) - X
    share = float(np.sqrt((error**2).sum() / ((X - X.mean(axis=0)) ** 2).sum()))
    expect(share < 0.05, f"a line comes back with an error of {share:.2g} of its spread")


@check_for("embedder", "inverse")
def the_way_back_carries_covariance(case: Case) -> None:
    """`inverse_dist` of small errors is the image of the mean and J Sigma J^T."""
    task = case.task()
    model = case.fitted(task)
    Z = model.transform(task.query[:3])
    k, size = Z.shape[1], 1e-4 * float(spread(model.transform(task.X)).max())
    latent = Gaussian(Z, Diagonal(np.full((3, k), size**2)))
    got = model.inverse_dist(latent)
    back = model.inverse_transform(Z)
    expect(np.allclose(got.mean, back), "its mean is not the image of the mean")
    steps = size * np.eye(k)
    columns = [(model.inverse_transform(Z + s) - model.inverse_transform(Z - s)) / 2 for s in steps]
    J = np.stack(columns, axis=-1)
    true, S = J @ np.swapaxes(J, 1, 2), got.cov().dense()
    off = float(np.abs(S - true).max() / (np.abs(true).max() + 1e-300))
    expect(off < 0.02, f"its covariance differs from J Sigma J^T by {off:.2g} of its size")


@check_for("embedder", "noise")
def values_of_no_weight_do_not_matter(case: Case) -> None:
    """A wild value with an inverse variance near 0 changes nothing, neither in fit nor after."""
    task = case.task()
    X, ivar = task.X, np.full(task.X.shape, 1e4)
    wild, weight = X.copy(), ivar.copy()
    wild[4, 2] += 100.0
    weight[4, 2] = 1e-8
    one = case.make().fit(X, ivar=ivar)
    other = case.make().fit(wild, ivar=weight)
    rows, full = task.query.copy(), np.full(task.query.shape, 1e4)
    rows[0, 1] += 100.0
    light = full.copy()
    light[0, 1] = 1e-8
    Z = one.transform(task.query, ivar=full)
    off = float(np.abs(one.transform(rows, ivar=light) - Z).max() / spread(Z).max())
    expect(off < 0.5, f"a value of no weight moves coordinates by {off:.2g} of their spread")
    if "inverse" in case.capabilities:
        a = one.inverse_transform(Z)
        b = other.inverse_transform(other.transform(task.query, ivar=full))
        off = float(np.abs(a - b).max() / spread(X).max())
        expect(off < 0.5, f"a value of no weight in fit moves rows by {off:.2g} of their spread")


@check_for("embedder", "missing")
def values_may_be_missing(case: Case) -> None:
    """NaN, and an inverse variance of 0, mean not observed: coordinates stay finite and near."""
    task = case.task()
    X, query = task.X.copy(), task.query.copy()
    X[::5, 3] = np.nan
    model = case.make().fit(X)
    Z = model.transform(query)
    hidden = query.copy()
    hidden[0, 2] = np.nan
    weight = np.where(np.isfinite(hidden), 2500.0, 0.0)  # the rows scatter by 0.02
    for got in (model.transform(hidden), model.transform(hidden, ivar=weight)):
        expect(np.isfinite(got).all(), "coordinates of rows with NaN are not finite")
        off = float(np.abs(got - Z)[0].max() / spread(Z).max())
        expect(off < 0.5, f"a value not observed moves coordinates by {off:.2g} of their spread")
