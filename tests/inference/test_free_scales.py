"""Free noise and discrepancy, parameters by name, models without emulator: against scipy."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, NotValidatedError, ShapeError, UnknownNameError
from equatorium.inference.by_name import Columns
from equatorium.inference.draws import Draws
from equatorium.inference.predictive import posterior_predictive

X = np.array([0.0, 0.5, 1.0, 2.0])
Y = np.array([1.1, 1.9, 3.2, 4.7])
ERRORS = np.array([0.1, 0.2, 0.1, 0.3])


def line(slope, intercept):
    return intercept + slope * X


def line_slope(slope, intercept):
    return X, 1.0


def seen(**options):
    return eq.Observation(Y, ERRORS, {"x": X}, **options)


def fitted(**options):
    return eq.GaussianLikelihood(eq.ModelFunction(line, jacobian=line_slope), seen(), **options)


def differences(function, x, step=1e-6):
    columns = []
    for j in range(x.shape[1]):
        shift = step * np.eye(x.shape[1])[j]
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return np.stack(columns, axis=1)


def points(d, m=7):
    return np.random.default_rng(0).uniform(0.2, 2.0, (m, d))


@pytest.mark.filterwarnings("ignore::equatorium.errors.NotConvergedWarning")
def test_a_sampler_tells_that_there_is_no_emulator():
    space = eq.Space([eq.Parameter("slope", -5, 5), eq.Parameter("intercept", -5, 5)])
    few = eq.sampler("batched-ensemble", walkers=8, until={}, max_steps=20)
    draws = few.run(eq.Posterior(space, fitted()), rng=1, progress=False)
    told = draws.meta["provenance"]
    assert told["emulator"] is None
    assert told["likelihood"] == "GaussianLikelihood"


@pytest.mark.filterwarnings("ignore::equatorium.errors.NotConvergedWarning")
def test_a_sampler_tells_the_emulator_of_each_part(tools):
    problem = tools.build()
    cheap = eq.ModelFunction(lambda x0: x0)
    parts = {
        "emulated": problem.likelihood,
        "cheap": eq.GaussianLikelihood(cheap, eq.Observation([0.0], [1.0])),
    }
    few = eq.sampler("batched-ensemble", walkers=8, until={}, max_steps=20)
    posterior = eq.Posterior(problem.space, eq.JointLikelihood(parts))
    told = few.run(posterior, rng=1, progress=False).meta["provenance"]
    assert told["emulator"] == {"emulated": {"class": "Linear"}, "cheap": None}


# -- a model that is cheap enough ----------------------------------------------------------


def test_a_model_function_is_the_multivariate_normal_of_its_numbers():
    theta = points(2)
    expected = [stats.norm(line(*t), ERRORS).logpdf(Y).sum() for t in theta]
    assert fitted().log_likelihood(theta) == pytest.approx(expected, rel=1e-12)
    as_matrix = eq.ModelFunction(lambda t: t[:, 1:] + t[:, :1] * X, ["slope", "intercept"])
    again = eq.GaussianLikelihood(as_matrix, seen())
    assert again.log_likelihood(theta) == pytest.approx(expected, rel=1e-12)
    assert again.names == fitted().names == ("slope", "intercept")


def test_data_are_matched_to_declared_outputs():
    grid = eq.Outputs(["a", "b"], {"x": [0.0, 2.0]})
    model = eq.ModelFunction(lambda t: t[:, 1:] + t[:, :1] * [0.0, 2.0], ["m", "c"], grid)
    likelihood = eq.GaussianLikelihood(model, seen())  # interpolates a straight line
    assert likelihood.log_likelihood(points(2)) == pytest.approx(
        fitted().log_likelihood(points(2)), rel=1e-12
    )


def test_a_point_without_a_number_is_nan_and_harms_no_other():
    model = eq.ModelFunction(lambda a: np.log(a - 1.0) + 0 * X)
    with np.errstate(invalid="ignore"):
        values = eq.GaussianLikelihood(model, seen()).log_likelihood([[2.0], [0.5], [3.0]])
    assert np.isnan(values).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: eq.ModelFunction(lambda *a: a), InputError, "names="),
        (lambda: eq.ModelFunction(np.sin), InputError, "names="),
        (lambda: eq.ModelFunction("line"), InputError, "called"),
        (lambda: eq.ModelFunction(lambda a: a, names=[]), InputError, "at least one"),
        (lambda: eq.GaussianLikelihood(line, seen()), InputError, "ModelFunction"),
        (lambda: fitted(discrepancy=0.1), InputError, "discrepancy must be"),
        (lambda: fitted(extra=np.eye(4)), InputError, "extra must be"),
        (
            lambda: eq.GaussianLikelihood(eq.ModelFunction(lambda a: a * X[:3]), seen()).predict(
                np.ones((2, 1))
            ),
            ShapeError,
            "3 numbers a point, but there are 4 data",
        ),
        (
            lambda: eq.ModelFunction(lambda t: t[0], ["a"])(np.ones((2, 1))),
            ShapeError,
            "one row for each of 2 points",
        ),
        (
            lambda: eq.ModelFunction(line, jacobian=lambda slope, intercept: [X]).slope(
                points(2), 4
            ),
            ShapeError,
            "jacobian.*slope, intercept",
        ),
    ],
)
def test_wrong_models_say_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


# -- free scales ---------------------------------------------------------------------------

FREE = {"jitter": "s", "std": "d", "fraction": "f"}


@pytest.mark.parametrize("scales", [["jitter"], ["std"], ["fraction"], list(FREE)])
def test_free_scales_enter_covariance_and_determinant(scales):
    free = {scale: FREE[scale] for scale in scales}
    likelihood = fitted(discrepancy=eq.Discrepancy(length={"x": 1.0}, shift={"x": 0.1}), free=free)
    theta = points(2 + len(free))
    assert likelihood.names == ("slope", "intercept", *free.values())
    expected = []
    for t in theta:
        values = dict(zip(free, t[2:], strict=True))
        error = eq.Discrepancy(
            values.get("std", 0), values.get("fraction", 0), {"x": 1.0}, {"x": 0.1}
        )
        S = np.diag(ERRORS**2 + values.get("jitter", 0) ** 2) + error.covariance(seen()).dense()
        expected.append(stats.multivariate_normal(line(*t[:2]), S).logpdf(Y))
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)
    values, gradient = likelihood.log_likelihood_and_gradient(theta)
    assert values == pytest.approx(expected, rel=1e-10)
    true = differences(likelihood.log_likelihood, theta)
    assert gradient == pytest.approx(true, rel=1e-6, abs=1e-6 * np.abs(true).max())


def test_gradient_without_free_scales_needs_no_matrix_of_data(monkeypatch):
    monkeypatch.setattr(np.linalg, "inv", None)
    theta = points(2)
    for likelihood in (fitted(), eq.StudentLikelihood(fitted().surrogate, seen(), df=3)):
        _, gradient = likelihood.log_likelihood_and_gradient(theta)
        assert gradient == pytest.approx(differences(likelihood.log_likelihood, theta), rel=1e-5)


def test_free_scales_beside_an_emulator(tools):
    problem = tools.build(emulator=tools.Linear(0.05, slope=0.3, dense=True))
    likelihood = eq.GaussianLikelihood(
        problem.likelihood.surrogate,
        problem.likelihood.observation,
        override="exact by construction",
        free={"jitter": "s"},
    )
    theta = np.column_stack([problem.space.sample(5, 0), np.full(5, 0.7)])
    whole = likelihood.predict(theta)
    S = 0.5**2 + 0.7**2
    expected = [
        stats.multivariate_normal(m, S * np.eye(5) + c).logpdf(likelihood.observation.values)
        for m, c in zip(whole.mean, whole.cov().dense(), strict=True)
    ]
    assert likelihood.log_likelihood(theta) == pytest.approx(expected, rel=1e-10)
    budget = likelihood.budget(theta)
    assert sum(budget.values()) == pytest.approx(1.0)
    own = np.trace(whole.cov().dense(), axis1=1, axis2=2)
    assert budget["emulator"] == pytest.approx(np.mean(own / (own + 5 * S)))


def test_the_jitter_of_a_posterior_is_the_scatter_of_the_data():
    """Posterior mode of the noise of 200 data about zero, by scipy's own likelihood."""
    y = 3.0 * np.random.default_rng(1).standard_normal(200)
    model = eq.ModelFunction(lambda centre: centre + np.zeros(200))
    likelihood = eq.GaussianLikelihood(
        model, eq.Observation(y, np.zeros(200)), free={"jitter": "s"}
    )
    s = np.linspace(2.0, 4.5, 501)
    theta = np.column_stack([np.full(501, y.mean()), s])
    best = s[np.argmax(likelihood.log_likelihood(theta))]
    assert best == pytest.approx(np.std(y), abs=0.006)


def test_wrong_scales_say_what_is_wrong():
    with pytest.raises(InputError, match=r"no scale 'jiter'.*jitter"):
        fitted(free={"jiter": "s"})
    with pytest.raises(InputError, match=r"std of the discrepancy is the number 0\.1"):
        fitted(discrepancy=eq.Discrepancy(0.1, diagonal=True), free={"std": "d"})
    with pytest.raises(InputError, match="free must be of the type Mapping"):
        fitted(free=["jitter"])
    with pytest.raises(InputError, match="diagonal=True"):
        fitted(free={"std": "d"})
    with pytest.raises(InputError, match="'slope' occurs more than once"):
        fitted(free={"jitter": "slope"})


def test_an_emulator_without_a_report_is_refused_as_before(problem):
    with pytest.raises(NotValidatedError, match="no report"):
        eq.GaussianLikelihood(problem.likelihood.surrogate, problem.likelihood.observation)


# -- parameters by name --------------------------------------------------------------------


def space(**fixed):
    free = [eq.Parameter(n, 0.1, 3.0) for n in ("s", "intercept", "twice", "slope")]
    return eq.Space(free).fix(**fixed) if fixed else eq.Space(free)


def test_a_posterior_takes_what_the_likelihood_needs_in_its_order():
    posterior = eq.Posterior(space(), fitted(free={"jitter": "s"}))
    theta = points(4)
    expected = fitted(free={"jitter": "s"}).log_likelihood(theta[:, [3, 1, 0]])
    assert posterior.log_likelihood(theta) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "fixed",
    [{}, {"s": 0.5}, {"slope": "twice / 2"}, {"slope": "intercept"}, {"s": "twice", "slope": 1.0}],
)
def test_fixed_tied_and_derived_parameters_and_their_gradient(fixed):
    posterior = eq.Posterior(space(**fixed), fitted(free={"jitter": "s"}))
    z = np.random.default_rng(2).standard_normal((6, posterior.d))
    values, gradient = posterior.value_and_gradient(z)
    assert values == pytest.approx(posterior.log_prob_normal(z), rel=1e-10)
    true = differences(posterior.log_prob_normal, z)
    assert gradient == pytest.approx(true, rel=1e-5, abs=1e-6 * np.abs(true).max())


def test_a_parameter_that_is_not_there_is_named():
    with pytest.raises(UnknownNameError, match=r"GaussianLikelihood needs the parameter 'slope'"):
        eq.Posterior(eq.Space([eq.Parameter("intercept", 0, 1)]), fitted())
    with pytest.raises(UnknownNameError, match="'jit'"):
        Columns(space(), ["jit"])


def test_a_likelihood_without_names_gets_the_points_themselves():
    class Sum:
        def log_likelihood(self, theta):
            return theta @ [1.0, 10.0, 100.0, 1000.0]

    assert eq.Posterior(space(), Sum()).log_likelihood([[1.0, 2.0, 3.0, 2.5]]) == [2821.0]


def test_the_posterior_predictive_has_the_free_scales():
    likelihood = fitted(free={"jitter": "s"})
    x = np.tile([0.8, 1.0, 0.3, 1.5], (4, 500, 8, 1))
    draws = Draws(space().names, x, np.zeros(x.shape[:-1]), space())
    predicted = posterior_predictive(draws, likelihood, n=8000, rng=0)
    assert predicted.mean[0] == pytest.approx(line(1.5, 1.0))
    assert predicted.reality == pytest.approx(predicted.mean)
    assert predicted.replicated.std(axis=0) == pytest.approx(np.hypot(ERRORS, 0.8), rel=0.05)


def test_several_covariances_cannot_be_shared_by_all_runs():
    many = eq.Diagonal(np.ones((2, 3)))
    with pytest.raises(ShapeError, match="extra must be one covariance"):
        eq.GaussianLikelihood(
            eq.ModelFunction(lambda a: a + np.zeros(3)),
            eq.Observation(np.ones(3), np.ones(3)),
            extra=many,
        )
