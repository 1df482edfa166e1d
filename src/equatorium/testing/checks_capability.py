"""What an emulator must do if it says that it can: noise, gradient, joint, loo, update, missing."""

from typing import Any

import numpy as np

from equatorium.errors import InputError
from equatorium.testing.case import Case, expect, spread
from equatorium.testing.declared import check_for
from equatorium.testing.problems import outputs_at, regression


@check_for("emulator", "noise")
def a_run_of_huge_noise_is_ignored(case: Case) -> None:
    """A wild run with a declared variance to match changes nothing that matters."""
    task = case.task()
    Y: Any = task.y
    noise = np.full(len(Y), 1e-4)
    wild, said = Y.copy(), noise.copy()
    wild[0] += 50.0 * spread(Y)
    said[0] = 1e8 * Y.var()
    with_it = case.make().fit(task.X, wild, noise=said).predict(task.query)
    without = case.make().fit(task.X[1:], Y[1:], noise=noise[1:]).predict(task.query)
    off = float((np.abs(with_it - without) / spread(Y)).max())
    expect(off < 0.5, f"a run of huge declared noise moves predictions by {off:.2g} sd of y")


@check_for("emulator", "noise")
def declared_noise_is_left_out(case: Case) -> None:
    """The variance predicted excludes the declared noise, which scatters the runs most."""
    task = regression(n=120, scatter=0.02)
    Y: Any = task.y
    noise = (0.5 * spread(Y)) ** 2
    seen = Y + np.sqrt(noise) * np.random.default_rng(5).normal(size=Y.shape)
    declared = np.broadcast_to(noise, Y.shape).copy()
    prediction = case.make().fit(task.X, seen, noise=declared).predict_dist(task.query)
    share = float(np.median(prediction.variance / noise))
    expect(share < 0.6, f"the predicted variance is {share:.2g} of the declared noise")


@check_for("emulator", "noise")
def noise_that_is_none_is_refused(case: Case) -> None:
    """Negative variances, NaN and other shapes are no noise."""
    task = case.task()
    n = len(task.X)
    for noise in (np.full(n, -1.0), np.full(n, np.nan), np.ones(n + 1)):
        try:
            case.make().fit(*task.given, noise=noise)
        except InputError:
            continue
        expect(False, f"noise of shape {noise.shape} with values {noise[0]} is accepted")


@check_for("emulator", "gradient")
def gradients_are_those_of_the_prediction(case: Case) -> None:
    """`predict_dist_vjp` agrees with central differences of mean and covariance."""
    task = case.task()
    model, query = case.fitted(task), task.query[:4]
    rng = np.random.default_rng(6)
    mean_bar, cov_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 3))
    cov_bar += np.swapaxes(cov_bar, 1, 2)

    def value(X: Any) -> Any:
        prediction = model.predict_dist(X)
        S = prediction.cov().dense()
        return (mean_bar * prediction.mean).sum(axis=1) + (cov_bar * S).sum(axis=(1, 2))

    got, step = model.predict_dist_vjp(query, mean_bar, cov_bar), 1e-5
    expect(got.shape == query.shape, f"it is of shape {got.shape}, not {query.shape}")
    shifts = step * np.eye(query.shape[1])
    slopes = [(value(query + shift) - value(query - shift)) / (2 * step) for shift in shifts]
    true = np.stack(slopes, axis=1)
    off = float(np.abs(got - true).max() / (np.abs(true).max() + 1e-12))
    expect(off < 1e-3, f"it differs from central differences by {off:.2g} of the largest slope")


@check_for("emulator", "joint")
def the_joint_covariance_is_one(case: Case) -> None:
    """`predict_joint` is symmetric, PSD, and has predict_dist's variance on its diagonal."""
    task = case.task()
    model, m = case.fitted(task), len(task.query)
    variance = model.predict_dist(task.query).variance
    for output in range(3):
        S = np.asarray(model.predict_joint(task.query, output))
        expect(S.shape == (m, m), f"it is of shape {S.shape}, not {(m, m)}")
        size = np.abs(S).max()
        expect(np.abs(S - S.T).max() <= 1e-8 * size, "it is not symmetric")
        expect(np.linalg.eigvalsh(S).min() >= -1e-8 * size, "it is not positive semi-definite")
        fits = np.allclose(np.diagonal(S), variance[:, output], rtol=1e-6)
        expect(fits, f"its diagonal is not the variance of output {output}")


@check_for("emulator", "loo")
def loo_leaves_a_run_out(case: Case) -> None:
    """`loo` predicts runs much as emulators do that were fitted without them.

    Hyperparameters learned from all runs may stay: it may be off by 0.6 of the refits' own errors,
    and the mean squared standardised error of the runs may lie between 0.2 and 5.
    """
    task = regression(n=24, scatter=0.2)
    Y: Any = task.y
    got = case.make().fit(task.X, Y).loo()
    expect(got.mean.shape == Y.shape, f"its mean is of shape {got.mean.shape}, not {Y.shape}")
    finite = np.isfinite(got.mean).all() and np.isfinite(got.variance).all()
    expect(finite, "it holds NaN or infinity")
    chosen = np.arange(0, len(Y), 3)
    brute = np.array([_without(case, task.X, Y, i) for i in chosen.tolist()])
    off = ((got.mean[chosen] - brute) ** 2).mean(axis=0)
    share = float(np.sqrt(off / ((Y[chosen] - brute) ** 2).mean(axis=0)).max())
    expect(share < 0.6, f"it is off refits without the run by {share:.2g} of their errors")
    z2 = ((Y - got.mean) ** 2 / got.variance).mean(axis=0)
    good = (z2 > 0.2).all() and (z2 < 5.0).all()
    expect(good, f"its errors squared are {z2.min():.2g} to {z2.max():.2g} times its variance")


@check_for("emulator", "update")
def an_update_is_as_good_as_a_refit(case: Case) -> None:
    """After `update` with more runs it predicts much as one that was fitted on all of them."""
    task = case.task()
    Y: Any = task.y
    upper = task.X[:, 0] > 0.5  # what comes later is elsewhere
    model = case.make().fit(task.X[~upper], Y[~upper])
    expect(model.update(task.X[upper], Y[upper]) is model, "update does not return self")
    whole = case.make().fit(task.X, Y).predict(task.query)
    off = float((np.abs(model.predict(task.query) - whole) / spread(Y)).max())
    expect(off < 0.2, f"after an update it is {off:.2g} sd of y from a fit on all runs")


@check_for("emulator", "missing")
def inputs_may_be_missing(case: Case) -> None:
    """NaN in X means not observed: the fit goes on, predictions are finite and still of use."""
    task = case.task()
    X, query = task.X.copy(), task.query.copy()
    X[::7, 1] = query[::4, 0] = np.nan
    model = case.make().fit(X, task.y)
    mean = model.predict(query)
    expect(np.isfinite(mean).all(), "predictions with NaN in X are not finite")
    seen = np.isfinite(query).all(axis=1)
    truth = outputs_at(query[seen])
    error = np.sqrt(((mean[seen] - truth) ** 2).mean(axis=0)) / spread(truth)
    expect((error < 0.9).all(), f"errors are {error.max():.2g} of the outputs' own scatter")


def _without(case: Case, X: Any, Y: Any, i: int) -> Any:
    """Predict run i from all others, (p,)."""
    keep = np.arange(len(Y)) != i
    return case.make().fit(X[keep], Y[keep]).predict(X[i : i + 1])[0]
