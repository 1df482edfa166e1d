"""What emulators must do: shapes, agreement of all that they say, and an honest variance."""

import numpy as np

from equatorium.records.prediction import Prediction
from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for
from equatorium.testing.problems import regression

# A rate of wrong alarms below one in a thousand even for heavy tails, and yet no factor of ten.
_LOW, _HIGH = 0.2, 5.0


@check_for("emulator")
def predictions_have_the_shape_of_y(case: Case) -> None:
    """For y (n,) and (n, p), predict has y's number of dimensions, predict_dist always (m, p)."""
    task = case.task()
    m = len(task.query)
    for y, p in ((task.y, 3), (task.y[:, :1], 1), (task.y[:, 0], 1)):
        model = case.make().fit(task.X, y)
        mean, shape = model.predict(task.query), (m,) if y.ndim == 1 else (m, p)
        expect(isinstance(mean, np.ndarray), f"predict gives a {type(mean).__name__}")
        expect(mean.shape == shape, f"for y {y.shape}, predict is {mean.shape}, not {shape}")
        expect(mean.dtype == np.float64, f"predict is of type {mean.dtype}, not float64")
        expect(np.isfinite(mean).all(), "predict holds NaN or infinity")
        prediction = model.predict_dist(task.query)
        expect(isinstance(prediction, Prediction), "predict_dist gives no Prediction")
        expect(prediction.mean.shape == (m, p), f"predict_dist is {prediction.mean.shape}")


@check_for("emulator")
def predict_is_the_mean_of_predict_dist(case: Case) -> None:
    """`predict`, and its standard deviation, are those of `predict_dist`, bit for bit."""
    task = case.task()
    model = case.fitted(task)
    prediction = model.predict_dist(task.query)
    expect(
        np.array_equal(model.predict(task.query), prediction.mean),
        "predict differs from the mean of predict_dist",
    )
    if "variance" in case.capabilities:
        mean, std = model.predict(task.query, return_std=True)
        expect(
            np.array_equal(mean, prediction.mean) and np.array_equal(std, prediction.std),
            "predict(return_std=True) differs from predict_dist",
        )


@check_for("emulator")
def it_learns_something(case: Case) -> None:
    """Between the runs of a smooth function it errs less than the outputs' mean would."""
    task = regression()
    truth = regression(scatter=0.0)
    model = case.fitted(task)
    error = model.predict(truth.X) - truth.y
    ratio = np.sqrt((error**2).mean(axis=0)) / truth.y.std(axis=0)
    expect((ratio < 0.9).all(), f"its errors are {ratio.max():.2g} of the outputs' own scatter")


@check_for("emulator", "variance")
def the_variance_is_positive(case: Case) -> None:
    """The predicted variance is finite and above 0, at the runs and between them."""
    task = case.task()
    model = case.fitted(task)
    for X in (task.X, task.query):
        variance = np.asarray(model.predict_dist(X).variance)
        expect(np.isfinite(variance).all(), "the variance holds NaN or infinity")
        expect((variance > 0).all(), f"the smallest variance is {variance.min():.3g}, not above 0")


@check_for("emulator", "variance")
def errors_are_as_large_as_predicted(case: Case) -> None:
    """On 200 fresh runs the errors are 0.2 to 5 times the predicted ones: no test of calibration.

    It finds a standard deviation taken for a variance, other units, a forgotten residual; whether
    an emulator is calibrated on a problem is for `equatorium.holdout_report` to say.
    """
    fresh = regression(seed=7, n=200)
    prediction = case.fitted(regression(n=60)).predict_dist(fresh.X)
    z = (fresh.y - prediction.mean) / prediction.std
    size = np.sqrt((z**2).mean(axis=0))
    expect(
        ((size > _LOW) & (size < _HIGH)).all(),
        f"the errors are {size.min():.2g} to {size.max():.2g} times as large as predicted",
    )


@check_for("emulator", "variance")
def the_variance_has_the_units_of_y_squared(case: Case) -> None:
    """Outputs in units a thousand times as small have errors a thousand times as large."""
    task = case.task()
    one = case.fitted(task).predict_dist(task.query)
    other = case.make().fit(task.X, 1000.0 * task.y).predict_dist(task.query)
    ratio = np.sqrt((other.variance / one.variance).mean()) / 1000.0
    expect(0.5 < ratio < 2.0, f"with y times 1000, std is {1000 * ratio:.3g} times as large")


@check_for("emulator", "covariance")
def the_covariance_is_one(case: Case) -> None:
    """The covariance between outputs is symmetric, has the variance on its diagonal, is PSD."""
    task = case.task()
    prediction = case.fitted(task).predict_dist(task.query)
    S, variance = prediction.cov().dense(), np.asarray(prediction.variance)
    expect(S.shape == (15, 3, 3), f"the covariance at 15 points is {S.shape}, not (15, 3, 3)")
    size = np.abs(S).max()
    expect(np.abs(S - np.swapaxes(S, 1, 2)).max() <= 1e-10 * size, "it is not symmetric")
    diagonal = np.diagonal(S, axis1=1, axis2=2)
    expect(np.allclose(diagonal, variance, rtol=1e-8), "its diagonal is not the variance")
    least = np.linalg.eigvalsh(S).min()
    expect(least >= -1e-10 * size, f"it has the negative eigenvalue {least:.3g}")
    off = np.abs(S[:, ~np.eye(3, dtype=bool)]).max()
    expect(off > 1e-6 * size, "it is diagonal, although the outputs depend on each other")
