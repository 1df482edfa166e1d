"""An architecture in words is the one that PyTorch, and the papers, mean."""

import numpy as np
import pytest
import torch
from scipy import stats

from equatorium.errors import InputError
from equatorium_nets.layers import network, shapes

# Kim E. J. & Brunner R. J. 2017, MNRAS 464, 4463: eight convolutions and three dense layers.
STAR_GALAXY = (
    "conv(32, 5) leaky conv(32, 3, 1, 1) leaky pool(2) "
    "conv(64, 3, 1, 1) leaky conv(64, 3, 1, 1) leaky conv(64, 3, 1, 1) leaky pool(2) "
    "conv(128, 3, 1, 1) leaky conv(128, 3, 1, 1) leaky conv(128, 3, 1, 1) leaky pool(2) "
    "flatten dense(2048) leaky dropout(0.5) dense(2048) leaky dropout(0.5)"
)


def test_the_maps_of_the_star_galaxy_network_have_the_sizes_of_its_paper():
    maps = shapes(STAR_GALAXY, (5, 44, 44))
    assert (32, 40, 40) in maps
    assert (64, 20, 20) in maps
    assert (128, 10, 10) in maps
    with torch.device("meta"):
        count = sum(p.numel() for p in network(STAR_GALAXY, (5, 44, 44), 2).parameters())
    assert 0.8e7 < count < 1.2e7  # "about ten million"


def test_words_make_the_layers_of_pytorch():
    built = network("conv(3, 5, 2, 1) relu average flatten dense(4) tanh", (2, 11, 11), 1)
    kinds = [type(layer).__name__ for layer in built]
    assert kinds == ["Conv2d", "ReLU", "AdaptiveAvgPool2d", "Flatten", "Linear", "Tanh", "Linear"]
    assert (built[0].stride, built[0].padding) == ((2, 2), (1, 1))
    assert built[4].in_features == 3


def test_a_spectrum_has_convolutions_of_one_dimension():
    assert shapes("conv(4, 7) pool(2) residual(8, 2)", (1, 21)) == [(4, 15), (4, 7), (8, 4)]


def test_a_residual_block_whose_convolutions_are_zero_passes_positive_maps_on():
    block = network("residual(4)", (4, 6, 6), 1)[0].to_empty(device="cpu")
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("layers", "shape", "says"),
    [
        ("dens(3)", (2,), "Did you mean 'dense'"),
        ("dense", (2,), "dense(units)"),
        ("dense(2.5)", (2,), "whole number"),
        ("dense(x)", (2,), "numbers separated by commas"),
        ("dense(3", (2,), "cannot be read"),
        ("conv(3, 3)", (9,), "needs 2 or 3 dimensions"),
        ("conv(3, 9)", (1, 4, 4), "does not fit"),
        ("dense(3)", (1, 4, 4), "needs 1 dimensions. Put flatten before it"),
        ("tanh(3)", (2,), "tanh(3) is wrong; write it as tanh."),
        ("dropout(1.5)", (3,), "dropout(share)"),
        (["dense(3)"], (3,), "must be text"),
    ],
)
def test_what_is_wrong_is_named(layers, shape, says):
    with pytest.raises(InputError) as caught:
        network(layers, shape, 1)
    assert says in str(caught.value)


def test_dropout_drops_its_share_and_keeps_the_mean():
    plan = network("dropout(0.3)", (20000,), 1)[0]
    torch.manual_seed(0)
    x = torch.ones((3, 20000), requires_grad=True)
    out = plan(x)
    (slope,) = torch.autograd.grad(out.sum(), x)
    assert slope.equal(out.detach())
    kept = out[out > 0]
    np.testing.assert_allclose(kept.detach(), 1 / 0.7, rtol=1e-6)
    dropped = out.numel() - len(kept)
    low, high = stats.binom(out.numel(), 0.3).interval(0.99)
    assert low < dropped < high < stats.binom(out.numel(), 0.31).ppf(0.005)
    assert not (network("dropout(1)", (9,), 1)[0](torch.ones(2, 9))).any()
    assert plan.eval()(x).equal(x)
