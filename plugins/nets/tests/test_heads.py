"""Losses are minus the log densities that SciPy knows; calibration finds the truth."""

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp
from scipy.stats import norm

from equatorium_nets.heads import best_temperature, best_widening, cross_entropy, head_named

RNG = np.random.default_rng(5)


def test_the_loss_of_a_gaussian_is_its_density():
    out, y, noise = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2)), RNG.random((6, 2))
    numbers = np.concatenate([np.zeros((6, 1)), out], axis=1)
    mean, std = numbers[:, 1:3], np.exp(0.5 * numbers[:, 3:5])
    for extra in (None, noise):
        width = std if extra is None else np.sqrt(std**2 + extra)
        truth = -norm.logpdf(y, mean, width).sum(axis=1) - np.log(2 * np.pi)
        given = None if extra is None else torch.tensor(extra)
        got = head_named("gaussian").loss(torch.tensor(numbers), torch.tensor(y), given, 1)
        np.testing.assert_allclose(got.numpy(), truth, atol=1e-12)


def test_the_loss_of_a_mixture_is_its_density():
    parts, p = 3, 2
    out, y = RNG.normal(size=(5, parts + 2 * parts * p)), RNG.normal(size=(5, p))
    weight = log_softmax(out[:, :parts], axis=1)
    mean = out[:, parts : parts + parts * p].reshape(5, parts, p)
    std = np.exp(0.5 * out[:, parts + parts * p :].reshape(5, parts, p))
    each = norm.logpdf(y[:, None, :], mean, std).sum(axis=2)
    truth = -logsumexp(weight + each, axis=1) - np.log(2 * np.pi)
    got = head_named("mixture").loss(torch.tensor(out), torch.tensor(y), None, parts)
    np.testing.assert_allclose(got.numpy(), truth, atol=1e-12)


def test_squares_are_a_gaussian_of_one_width():
    out, y = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
    got = head_named("mse").loss(torch.tensor(out), torch.tensor(y), None, 1)
    np.testing.assert_allclose(got.numpy(), 0.5 * ((y - out) ** 2).sum(axis=1), atol=1e-12)


def test_classes_count_by_their_weights():
    out, codes = RNG.normal(size=(4, 3)), np.array([0, 2, 1, 2])
    truth = -log_softmax(out, axis=1)[np.arange(4), codes]
    weight = np.array([1.0, 2.0, 3.0])
    given = (torch.tensor(out), torch.tensor(codes))
    np.testing.assert_allclose(cross_entropy(*given, None).numpy(), truth, atol=1e-12)
    weighted = cross_entropy(*given, torch.tensor(weight)).numpy()
    np.testing.assert_allclose(weighted, truth * weight[codes], atol=1e-12)


def test_the_widening_of_errors_four_times_too_large_is_sixteen():
    n = 4000
    noise = np.full((n, 1), 0.5)
    y = RNG.normal(size=(n, 1)) * np.sqrt(16.0 * 0.04 + 0.5)
    found = best_widening(np.ones((1, n)), np.zeros((1, n, 1)), np.full((1, n, 1), 0.04), y, noise)
    np.testing.assert_allclose(found, 16.0, rtol=0.25)


def test_the_temperature_of_logits_three_times_too_sure_is_three():
    n = 6000
    logits = 1.5 * RNG.normal(size=(n, 4))
    chance = np.exp(log_softmax(logits, axis=1))
    codes = np.array([RNG.choice(4, p=row) for row in chance])
    assert abs(best_temperature(3.0 * logits[None], codes) - 3.0) < 0.2


def test_the_temperature_is_that_of_the_classes_as_the_loss_weighs_them():
    """Weighed, a class is as likely as its weight times its probability says (Bayes)."""
    n, weight = 6000, np.array([1.0, 8.0, 1.0])
    logits = 1.5 * RNG.normal(size=(n, 3))
    chance = np.exp(log_softmax(logits, axis=1))
    codes = np.array([RNG.choice(3, p=row) for row in chance])
    sure = 3.0 * (logits + np.log(weight))[None]
    assert abs(best_temperature(sure, codes, weight) - 3.0) < 0.3
    assert abs(best_temperature(sure, codes, 50 * weight) - 3.0) < 0.3
    assert best_temperature(sure, codes) > 4.0  # unweighed
