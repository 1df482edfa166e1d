"""On CUDA the same numbers as on the CPU, and nothing but inputs and results goes between them."""

import gpytorch.kernels as gk
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import equatorium as eq
from equatorium.errors import InputError
from equatorium_gp import devices, kernels
from equatorium_gp.devices import MATRICES, to_device, usable_device
from equatorium_gp.fit import Objective, Problem
from equatorium_gp.gp import GP
from equatorium_gp.sparse_gp import SparseGP
from equatorium_gp.spectral import tensor
from equatorium_gp.trend_gp import TrendGP

N, D = 60, 3
KERNELS = ["matern52", "scale(rbf) + scale(matern12[0,2])", "rbf[0,1] * periodic[2] + linear"]
SAME = {"rtol": 1e-8, "atol": 1e-8}


@pytest.fixture(scope="module")
def runs():
    """Two noisy outputs of three inputs, with the noise's variance, and new inputs."""
    rng = np.random.default_rng(0)
    X = rng.random((N, D))
    Y = np.stack([np.sin(4 * X[:, 0]) * X[:, 1], X[:, 0] + X[:, 2] ** 2], axis=1)
    return X, Y + 0.02 * rng.standard_normal(Y.shape), np.full((N, 2), 4e-4), rng.random((9, D))


def value_and_gradient(device, runs, kernel, noisy, one_ratio):
    X, Y, noise, _ = runs
    b = noise[0, : Y.shape[1]] if noisy else None
    Y = Y[:, :1] if noisy and one_ratio else Y
    H = np.column_stack([np.ones(N), X])
    problem = Problem(
        tensor(X, device), tensor(Y, device), H, np.ones(N), None if b is None else b[: Y.shape[1]]
    )
    built = to_device(kernels.build(kernel, D), device)
    objective = Objective(built, problem, one_ratio)
    return objective(objective.read([1e-3, 1e-2]))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("noisy", "one_ratio"), [(False, True), (False, False), (True, True)])
def test_likelihood_and_gradient(cuda, runs, kernel, noisy, one_ratio):
    expected = value_and_gradient("cpu", runs, kernel, noisy, one_ratio)
    with cuda():
        found = value_and_gradient("cuda", runs, kernel, noisy, one_ratio)
    assert_allclose(found[0], expected[0], rtol=1e-8)
    assert_allclose(found[1], expected[1], **SAME)


def everything(model, X):
    """All that an emulator says of points."""
    prediction = model.predict_dist(X)
    bars = np.random.default_rng(1).normal(size=(len(X), 2, 2))
    return {
        "mean": prediction.mean,
        "std": prediction.std,
        "covariance": prediction.cov().dense(),
        "joint": model.predict_joint(X, 1),
        "gradient": model.predict_dist_vjp(X, bars[:, 0], bars),
        "left out": model.loo().mean,
        "left out, std": model.loo().std,
    }


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sharing", ["components", "all"])
def test_predictions_at_given_parameters(cuda, runs, kernel, sharing):
    X, Y, noise, new = runs
    options = {"kernel": kernel, "sharing": sharing, "optimise": False}
    expected = everything(TrendGP(**options).fit(X, Y, noise=noise), new)
    with cuda():
        found = everything(TrendGP(device="cuda", **options).fit(X, Y, noise=noise), new)
    for name, value in expected.items():
        assert_allclose(found[name], value, **SAME, err_msg=name)


@pytest.mark.parametrize("sharing", ["components", "each"])
def test_a_fit(cuda, runs, sharing):
    X, Y, noise, new = runs
    cpu = TrendGP(sharing=sharing).fit(X, Y, noise=noise)
    with cuda():
        gpu = TrendGP(sharing=sharing, device="cuda").fit(X, Y, noise=noise)
        likelihood, found = gpu.log_likelihood_, gpu.predict_dist(new)
        draws = gpu.sample_functions(new, 2, 0)
        again = gpu.update(X[:5] + 0.01, Y[:5], noise=noise[:5]).predict(new)
    assert_allclose(likelihood, cpu.log_likelihood_, rtol=1e-8)
    expected = cpu.predict_dist(new)
    assert_allclose(found.mean, expected.mean, **SAME)
    assert_allclose(found.std, expected.std, **SAME)
    assert_allclose(draws, cpu.sample_functions(new, 2, 0), atol=1e-6)
    expected = cpu.update(X[:5] + 0.01, Y[:5], noise=noise[:5]).predict(new)
    assert_allclose(again, expected, atol=1e-5)


@pytest.mark.parametrize("noisy", [False, True])
def test_sparse(cuda, runs, noisy):
    X, Y, noise, new = runs
    options = {"n_inducing": 20, "evaluations": 2, "random_state": 0}
    noise = noise if noisy else None
    expected = SparseGP(**options).fit(X, Y, noise=noise).predict_dist(new)
    with cuda():
        found = SparseGP(device="cuda", **options).fit(X, Y, noise=noise).predict_dist(new)
    assert_allclose(found.mean, expected.mean, atol=1e-6)
    assert_allclose(found.std, expected.std, rtol=1e-5)


def test_the_stack(cuda, runs):
    X, Y, _, new = runs
    options = {"kernels": ["matern52"], "trends": ["constant", "linear"]}
    expected = GP(**options).fit(X, Y).predict_dist(new)
    with cuda():
        found = GP(device="cuda", **options).fit(X, Y).predict_dist(new)
    assert_allclose(found.mean, expected.mean, atol=1e-5)
    assert_allclose(found.std, expected.std, rtol=1e-4)


@pytest.mark.parametrize("noisy", [False, True])
def test_a_model_of_a_gpu_is_loaded_where_there_is_none(pretended, runs, noisy, tmp_path):
    X, Y, noise, new = runs
    model = TrendGP(device="cuda", optimise=False).fit(X, Y, noise=noise if noisy else None)
    expected = model.predict_dist(new)
    model.save(tmp_path / "model.h5")
    pretended.__exit__(None, None, None)
    try:
        with pytest.raises(InputError, match="no CUDA device"):
            usable_device("cuda")
        found = eq.load(tmp_path / "model.h5").predict_dist(new)
    finally:
        pretended.__enter__()
    assert_allclose(found.mean, expected.mean, **SAME)
    assert_allclose(found.std, expected.std, **SAME)


# -- traffic and memory --------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_but_inputs_and_results_is_moved(pretended, runs, kernel):
    X, Y, _, new = runs
    model = TrendGP(kernel=kernel, sharing="all", optimise=False, device="cuda").fit(X, Y)
    m, t = len(new), 1 + D  # inputs, and the trend's terms there
    results = [("out", 2 * m), ("out", 2 * m)]
    pretended.moved.clear()
    model.predict_dist(new)
    assert pretended.moved == [("in", m * D), ("in", m * t), *results]
    pretended.moved.clear()
    model.predict_dist_vjp(new, np.ones((m, 2)), np.ones((m, 2, 2)))
    assert len(pretended.moved) < 14
    assert max(size for _, size in pretended.moved) <= m * t  # no matrix of the runs
    sparse = SparseGP(n_inducing=20, evaluations=0, device="cuda", random_state=0).fit(X, Y)
    pretended.moved.clear()
    sparse.predict_dist(new)
    assert pretended.moved == [("in", m * D), ("in", m * t), *results]


def test_a_step_of_a_fit_moves_parameters_only(pretended, runs):
    value_and_gradient("cuda", runs, "matern52", False, True)
    X, Y = tensor(runs[0], "cuda"), tensor(runs[1], "cuda")
    kernel = to_device(gk.MaternKernel(nu=2.5, ard_num_dims=D), "cuda")
    objective = Objective(kernel, Problem(X, Y, np.ones((N, 1)), np.ones(N), None), True)
    point = objective.read([1e-3])
    pretended.moved.clear()
    objective(point)
    assert {size for _, size in pretended.moved} == {D}


def test_chunks_on_a_device_change_nothing(pretended, runs, monkeypatch):
    X, Y, _, new = runs
    model = TrendGP(optimise=False, device="cuda").fit(X, Y)
    whole = model.predict_dist(new)
    monkeypatch.setattr(devices, "ENTRIES", 2 * N)
    monkeypatch.setattr(devices, "ENTRIES_CUDA", 2 * N)
    pretended.moved.clear()
    parts = model.predict_dist(new)
    assert len(pretended.moved) > 4
    assert_allclose(parts.mean, whole.mean, atol=1e-12)
    assert_allclose(parts.std, whole.std, rtol=1e-9)


def test_more_runs_than_the_memory_holds_are_refused_at_once(pretended):
    X = np.random.default_rng(0).random((20_000, 2))
    with pytest.raises(InputError, match=r"20000 runs and 1 kernels needs 38\.4 GB.*sparse-gp"):
        TrendGP(device="cuda").fit(X, X[:, 0])


def test_auto_takes_cuda_where_there_is_one(pretended, runs):
    assert usable_device("auto") == "cuda"
    model = TrendGP(device="auto", optimise=False).fit(*runs[:2])
    assert model._process.shared[0].problem.X.device.type == "cuda"
    with pytest.raises(InputError, match="finds no CUDA device"):
        usable_device("cuda:1")


@pytest.mark.parametrize("device", ["meta", "gpu", "cuda:x", None, 3.5])
def test_what_is_no_device_is_named(device):
    with pytest.raises(InputError, match="no device of ours"):
        usable_device(device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_twenty_thousand_runs_are_exact_within_the_memory():
    n = 20_000
    rng = np.random.default_rng(0)
    X, new = rng.random((n, 5)), rng.random((1000, 5))

    def truth(X):
        return np.sin(6 * X[:, 0] + 3 * X[:, 1]) + X[:, 2] * np.cos(5 * X[:, 3]) + X[:, 4] ** 2

    noise = 0.05
    torch.cuda.reset_peak_memory_stats()
    model = TrendGP(kernel="matern52", device="cuda", full_evaluations=3, random_state=0)
    model.fit(X, truth(X) + noise * rng.standard_normal(n))
    prediction = model.predict_dist(new)
    matrices = torch.cuda.max_memory_allocated() / (8 * n**2)
    print(f"peak {matrices:.2f} matrices, {matrices * 8 * n**2 / 1e9:.1f} GB")
    assert matrices < MATRICES + 1
    error = prediction.mean[:, 0] - truth(new)
    assert np.sqrt(np.mean(error**2)) < 0.2 * noise  # 20,000 values tell more than each
    assert_allclose(prediction.variance.mean(), noise**2, rtol=0.05)
    left_out = model.loo()
    assert_allclose(left_out.variance.mean(), noise**2, rtol=0.05)
