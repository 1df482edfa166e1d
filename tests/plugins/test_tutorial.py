"""The plugin that the tutorial builds: its numbers, and `make run`'s study by one changed word."""

from pathlib import Path

import numpy as np
import pytest

import equatorium as eq
from equatorium import errors, registry
from equatorium.study import figures
from equatorium.study.plan import read_plan
from equatorium.study.steps import Steps

STUDY = Path(__file__).parents[2] / "examples" / "galaxy_formation" / "study.toml"
FREE = ("alpha_hot", "beta0_disc", "alpha_cool")


def friedman(rng, n, noise=0.0):
    X = rng.random((n, 5))
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2
    y = y + 10 * X[:, 3] + 5 * X[:, 4]
    return X, np.stack([y, y**2], axis=1) + noise * rng.standard_normal((n, 2))


def test_it_goes_through_exact_runs_and_predicts_others():
    rng = np.random.default_rng(2)
    X, Y = friedman(rng, 200)
    exact = eq.emulator("rbf", smoothing=0.0).fit(X, Y)
    np.testing.assert_allclose(exact.predict(X), Y, rtol=1e-6)
    model = eq.emulator("rbf").fit(X, Y)
    query, truth = friedman(rng, 400)
    prediction = model.predict_dist(query)
    error = np.sqrt(np.mean((prediction.mean - truth) ** 2, axis=0) / truth.var(axis=0))
    assert np.all(error < 0.15)
    # SciPy itself, in the same scaled coordinates, is the independent truth of the mean.
    from scipy.interpolate import RBFInterpolator

    how = {"kernel": "multiquadric", "epsilon": 0.3, "degree": 0, "smoothing": model.smoothing_}
    f = RBFInterpolator(X * model.weight_, Y, **how)
    np.testing.assert_allclose(prediction.mean, f(query * model.weight_), rtol=1e-9)


def test_its_errors_are_as_large_as_it_says():
    rng = np.random.default_rng(3)
    ratios, naive = [], []
    for _ in range(12):
        X, Y = friedman(rng, 100, noise=2.0)
        query, truth = friedman(rng, 200, noise=2.0)
        model = eq.emulator("rbf").fit(X, Y)
        square = np.mean((model.predict(query) - truth) ** 2, axis=0)
        ratios.append(square / np.diag(model.covariance_))
        # The wrong twin takes the residuals at the runs that it was fitted on.
        naive.append(square / np.mean((model.predict(X) - Y) ** 2, axis=0))
    standard_error = np.std(ratios, axis=0, ddof=1) / 12**0.5
    assert np.all(np.abs(np.mean(ratios, axis=0) - 1) < 0.1 + 3 * standard_error)
    assert np.all(np.mean(naive, axis=0) > 1.3)


def test_the_correlation_of_its_errors_is_that_of_the_outputs():
    rng = np.random.default_rng(4)
    X = rng.random((150, 2))
    common, own = rng.standard_normal((150, 1)), rng.standard_normal((150, 3))
    model = eq.emulator("rbf").fit(X, X @ np.ones((2, 3)) + 0.8 * common + 0.6 * own)
    S = model.predict_dist(X[:1]).cov().dense()[0]
    correlation = S[~np.eye(3, dtype=bool)] / np.diag(S).mean()
    assert np.all(np.abs(correlation - 0.64) < 4 * (1 - 0.64**2) / 150**0.5)


def test_two_runs_in_one_place_and_a_single_run():
    X = np.repeat(np.linspace(0, 1, 10), 2)[:, None]
    model = eq.emulator("rbf").fit(X, X[:, 0])
    assert np.allclose(model.predict(X), X[:, 0], atol=1e-3)
    with pytest.raises(errors.InputError, match="2 runs"):
        eq.emulator("rbf").fit([[0.0]], [1.0])


def reduced(text, folder):
    """Free three of twenty parameters, make 16 runs at the lowest resolution, and stop early."""
    space = eq.simulator("galaxy-formation").space
    values = zip(space.names, space.defaults, strict=True)
    fixed = [f"{name} = {{ fixed = {value} }}" for name, value in values if name not in FREE]
    head, waves = text.split("[[wave]]", 1)
    head = head.replace("scale = 0.2", "scale = 0.03").replace("results/", f"{folder}/")
    sampler = waves.split("[sampler]")[1]
    sampler = sampler.replace("walkers = 48", "walkers = 8, max_steps = 100")
    sampler = sampler.replace("rhat = 1.01, ess = 400", "rhat = 9.0, ess = 1")
    wave = '[[wave]]\nruns = 16\nrule = "second"\n'
    return "\n".join([head, wave, "[sampler]" + sampler, "[parameters]", *fixed])


@pytest.mark.filterwarnings("ignore::equatorium.errors.NotConvergedWarning")
def test_one_word_of_the_study_that_make_run_runs(tmp_path, monkeypatch):
    # Drawing takes as long as all the rest, and knows nothing of emulators' names.
    monkeypatch.setattr(figures, "write_all", lambda *_: [])
    before = STUDY.read_text()
    assert before.count("trend-gp") == 1
    path = tmp_path / "study.toml"
    path.write_text(reduced(before.replace("trend-gp", "rbf"), tmp_path.as_posix()))
    job = read_plan(path)
    job.study.steps.progress = False
    job.execute()
    (wave,) = job.study.stage.waves
    assert registry.name_of(type(wave.surrogate.emulator)) == "equatorium-example/rbf"
    cited = Steps(job.study.steps.path).latest("citations")["text"]
    assert "Hardy" in cited and "trend-gp" not in cited
    text = job.study.summary()
    assert "3 free parameters, 51 data" in text and "Error budget" in text
