"""The grammar gives the kernels that GPyTorch's own constructors give, and nothing else."""

import gpytorch.kernels as gk
import numpy as np
import pytest
import torch
from gpytorch.priors import GammaPrior
from numpy.testing import assert_allclose

from equatorium.errors import InputError, NotSavableError
from equatorium_gp import kernels


def values(kernel, d=3):
    X = torch.rand((6, d), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return kernel(X, X).to_dense().numpy()


def set_all(kernel, number=0.7):
    for coordinate in kernels.coordinates(kernel):
        coordinate.set(np.full(coordinate.raw.numel(), np.log(number)))
    return kernel


@pytest.mark.parametrize(
    ("text", "composed"),
    [
        ("rbf", lambda: gk.RBFKernel(ard_num_dims=3)),
        ("matern12", lambda: gk.MaternKernel(0.5, ard_num_dims=3)),
        ("matern32 + linear", lambda: gk.MaternKernel(1.5, ard_num_dims=3) + gk.LinearKernel()),
        (
            "scale(rbf[0,1] * periodic[2])",
            lambda: gk.ScaleKernel(
                gk.RBFKernel(ard_num_dims=2, active_dims=(0, 1))
                * gk.PeriodicKernel(active_dims=(2,))
            ),
        ),
        (
            "rq * (cosine[1] + constant) * polynomial2",
            lambda: (
                gk.RQKernel(ard_num_dims=3)
                * (gk.CosineKernel(active_dims=(1,)) + gk.ConstantKernel())
                * gk.PolynomialKernel(2)
            ),
        ),
    ],
)
def test_same_as_composed_by_hand(text, composed):
    ours, theirs = set_all(kernels.build(text, 3)), set_all(composed().double())
    assert_allclose(values(ours), values(theirs), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mattern52", "Did you mean 'matern52'"),
        ("", "the end"),
        ("rbf +", "the end"),
        ("rbf[3]", "not a column of the 3 inputs"),
        ("rbf[x]", "not a column"),
        ("rbf[0", "expected ','"),
        ("scale rbf", "expected '('"),
        ("(rbf", "expected ')'"),
        ("rbf rbf", "not expected"),
        ("rbf; import os", "';'"),
        ("rbf - rbf", "not expected"),
        ("__import__", "'_'"),
        ("rbf[0,0]", "twice"),
    ],
)
def test_slips_are_named(text, words):
    with pytest.raises(InputError, match=r"kernel=") as error:
        kernels.build(text, 3)
    assert words in str(error.value)


def test_active_columns_are_for_factors_without_their_own():
    kernel = kernels.build("rbf + linear[0]", 4, active=[1, 3])
    assert [k.active_dims.tolist() for k in kernel.kernels] == [[1, 3], [0]]


def test_start_knows_the_dimension_and_breaks_ties():
    two, twenty = kernels.build("rbf", 2), kernels.build("rbf", 20)
    ratio = twenty.lengthscale.detach()[0, 0] / two.lengthscale.detach()[0, 0]
    assert_allclose(ratio, np.sqrt(10.0))
    pair = kernels.build("scale(rbf) + scale(rbf)", 2)
    lengths = [k.base_kernel.lengthscale.detach().numpy() for k in pair.kernels]
    assert not np.allclose(*lengths)


@pytest.mark.parametrize(
    "text", ["matern52", "scale(rbf[0,1] * periodic[2]) + linear", "rq * (cosine[1] + constant)"]
)
def test_written_and_read_again(text):
    kernel = kernels.build(text, 3)
    assert kernels.written(kernel, 3, 3) == text
    assert_allclose(
        values(set_all(kernels.build(kernels.written(kernel, 3, 3), 3))), values(set_all(kernel))
    )


@pytest.mark.parametrize(
    "kernel",
    [
        gk.RBFKernel().double(),  # one length-scale for three inputs
        gk.SpectralMixtureKernel(2, ard_num_dims=3),
        gk.RBFKernel(ard_num_dims=3, lengthscale_prior=GammaPrior(2.0, 1.0)),
    ],
)
def test_what_the_grammar_cannot_say(kernel):
    with pytest.raises(NotSavableError, match="has no written form"):
        kernels.written(kernel, 3, 3)


def test_sums_are_sums_of_their_parts_without_jitter():
    """GPyTorch's lazy sum of a full and a low-rank matrix adds jitter to what is left."""
    x = torch.from_numpy(np.random.default_rng(0).random((30, 2)))
    x = torch.cat([x, x[:5]])
    kernel = kernels.build("scale(rbf + linear) * matern52 + linear", 2)
    scale, matern = kernel.kernels[0].kernels
    rbf, linear = scale.base_kernel.kernels
    parts = [k(x, x).to_dense() for k in (rbf, linear, matern, kernel.kernels[1])]
    expected = scale.outputscale * (parts[0] + parts[1]) * parts[2] + parts[3]
    assert_allclose(kernels.dense(kernel, x, x).detach(), expected.detach(), rtol=1e-15, atol=1e-15)


def test_coordinates_are_logs_of_positive_parameters():
    kernel = kernels.build("rbf", 2)
    (coordinate,) = kernels.coordinates(kernel)
    coordinate.set(np.log([0.3, 4.0]))
    assert_allclose(kernel.lengthscale.detach().numpy()[0], [0.3, 4.0])
    assert_allclose(coordinate.get(), np.log([0.3, 4.0]))
    kernel.lengthscale.log().sum().backward()
    assert_allclose(coordinate.gradient(), [1.0, 1.0])


def test_a_cosine_sees_one_input():
    assert kernels.build("cosine[0] * cosine[1]", 2) is not None
    with pytest.raises(InputError, match="one input only, not of 2"):
        kernels.build("cosine", 2)
