"""Mass functions of known galaxies, and the sampling error against the scatter of forests."""

import numpy as np
import pytest
from scipy.stats import norm

from equatorium_galaxies.evolution import Catalogue
from equatorium_galaxies.forest import grow
from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.outputs import (
    BIN_CENTRES,
    PHI_FLOOR,
    MassFunctions,
    mass_functions,
    run,
)
from equatorium_galaxies.parameters import Parameters

FIT = np.tile((BIN_CENTRES > 8.65) & (BIN_CENTRES < 11.35), 4)


def catalogue(forest, branch, stars, snapshot=0):
    galaxies = Galaxies.empty(len(branch))
    galaxies.disc, galaxies.bulge = 0.25 * np.asarray(stars), 0.75 * np.asarray(stars)
    return Catalogue(snapshot, np.array(branch, np.int32), len(branch), galaxies)


def test_each_galaxy_counts_the_weight_of_its_tree(forest):
    found = mass_functions(forest, [catalogue(forest, [3, 5], [1e10, 0.0])])
    assert found.phi.sum() * 0.2 == pytest.approx(forest.weight[3])
    error = 0.1
    share = norm.cdf(10.2, 10, error) - norm.cdf(10.0, 10, error)
    assert found.phi[10] == pytest.approx(forest.weight[3] * share / 0.2)


def test_scatter_grows_with_redshift(forest):
    found = mass_functions(forest, [catalogue(forest, [3], [1e10], snapshot=14)], (0.1, 0.04))
    share = norm.cdf(10.2, 10, 0.14) - norm.cdf(10.0, 10, 0.14)
    assert found.phi[10] == pytest.approx(forest.weight[3] * share / 0.2)


def test_covariance_is_that_of_a_stratified_sample():
    # Draw many samples of known strata: the mean estimate is the true covariance of the sum.
    rng = np.random.default_rng(4)
    stratum = np.repeat([0, 1, 2], [2, 5, 3]).astype(np.int32)
    scale, mean = np.array([1.0, 0.3, 2.0])[stratum], np.array([5.0, 1.0, 0.0])[stratum]
    mixing = np.array([[1.0, 0.5], [0.0, 1.0]])
    drawn = mean[:, None] + scale[:, None] * (rng.normal(size=(4000, 10, 2)) @ mixing)
    found = np.mean([MassFunctions(y, stratum).covariance for y in drawn], axis=0)
    truth = np.sum(scale**2) * mixing.T @ mixing
    np.testing.assert_allclose(found, truth, rtol=0.05)
    np.testing.assert_allclose(np.cov(drawn.sum(axis=1).T), truth, rtol=0.1)


def test_logarithms_and_the_floor():
    stratum = np.array([0, 0], np.int32)
    y = np.array([[1e-3, 0.0, 1e-8], [3e-3, 0.0, 0.0]])
    found = MassFunctions(y, stratum)
    np.testing.assert_allclose(found.log_phi, [np.log10(4e-3), -6, -6])
    sd = np.sqrt(np.diag(found.log_covariance))
    # 2 * var / phi^2, to first order.
    assert sd[0] == pytest.approx(np.sqrt(2 * 2e-6) / 4e-3 / np.log(10), rel=1e-4)
    assert sd[1] == pytest.approx(1 / np.log(10))  # an empty bin is uncertain by one floor
    assert sd[2] >= sd[1]
    assert PHI_FLOOR == 1e-6


def test_every_bin_of_a_run_has_a_positive_variance(default):
    covariance = default.mass_functions.log_covariance
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.all(np.diag(covariance) < 1)


def forests_of(scale, seeds):
    results = [run(grow(seed, scale=scale), Parameters()).mass_functions for seed in seeds]
    values = np.array([r.log_phi[FIT] for r in results])
    return values, np.array([np.diag(r.log_covariance)[FIT] for r in results])


def mean_z2(values, variances):
    """Squared standardised distance of each forest from the mean of the others."""
    n = len(values)
    others = (values.sum(axis=0) - values) / (n - 1)
    return np.mean((values - others) ** 2 / (variances * (1 + 1 / (n - 1))))


def honest(values, variances):
    """The quoted error agrees with the scatter of the seeds within a factor of two."""
    ratio = values.var(axis=0, ddof=1).mean() / variances.mean()
    return 0.25 < ratio < 4.0 and 0.5 < mean_z2(values, variances) < 1.8


def test_quoted_error_is_the_scatter_between_seeds():
    values, variances = forests_of(0.1, range(5))
    assert honest(values, variances)
    assert not honest(values, variances / 9)
    assert not honest(values, variances * 9)


@pytest.mark.slow
def test_a_forest_against_the_mean_of_32_others():
    values, variances = forests_of(0.2, range(33))
    assert 0.7 < mean_z2(values, variances) < 1.4
    assert not 0.7 < mean_z2(values, variances / 2) < 1.4
