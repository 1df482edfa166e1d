"""Regions of known volume, near and far from the faces of the cube, whole and in parts."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from equatorium.history.subset import sample_below_one

CHANCE_SEEDS = 12


def radius(d, volume):
    return np.exp((np.log(volume) + gammaln(d / 2 + 1) - d / 2 * np.log(np.pi)) / d)


def ball(d, volume):
    r = radius(d, volume)
    return lambda x, t: np.linalg.norm(x - 0.5, axis=1) / r


def two_balls(d, volume, share=0.5):
    """Apart along the diagonal, the first with a share of the volume."""
    first, second = radius(d, share * volume), radius(d, (1 - share) * volume)
    return lambda x, t: np.minimum(
        np.linalg.norm(x - 0.27, axis=1) / first, np.linalg.norm(x - 0.73, axis=1) / second
    )


def corner(d, k, volume):
    """A box at a corner of the cube: touching k faces."""
    width = volume ** (1 / k)
    return lambda x, t: x[:, :k].max(axis=1) / width


def diagonal_slabs(d, k, volume):
    """|x0 - x1| < w, |x2 - x3| < w, ...: narrow, oblique, and cut off by the faces."""
    w = 1 - np.sqrt(1 - volume ** (1 / k))
    return lambda x, t: np.abs(x[:, 0 : 2 * k : 2] - x[:, 1 : 2 * k : 2]).max(axis=1) / w


REGIONS = {
    "ball": (ball(6, 1e-4), 6, 1e-4),
    "two balls": (two_balls(4, 1e-4), 4, 1e-4),
    "corner of 10-D": (corner(10, 4, 1e-4), 10, 1e-4),
    "oblique slabs in 12-D": (diagonal_slabs(12, 2, 1e-3), 12, 1e-3),
}


def scores(name, seeds, n=500):
    level, d, volume = REGIONS[name]
    found = [sample_below_one(level, d, n, seed) for seed in seeds]
    assert all(sample.reached and sample.ladder for sample in found)
    errors = np.array([sample.log_volume - np.log(volume) for sample in found])
    return errors, np.array([sample.log_error for sample in found])


def verdict(errors, sigma):
    """The two-sided 95 % intervals hold the truth as often as a binomial of so many trials may."""
    inside = int(np.sum(np.abs(errors) < 1.96 * sigma))
    low, _ = stats.binom.interval(0.99, len(errors), 0.95)
    bias = np.abs(errors.mean()) / (sigma.mean() / np.sqrt(len(errors)))
    return inside >= low and bias < 3.5


def test_the_volume_is_right_within_its_error():
    found = [scores(name, range(CHANCE_SEEDS)) for name in REGIONS]
    errors, sigma = (np.concatenate(part) for part in zip(*found, strict=True))
    assert verdict(errors, sigma)
    assert np.median(sigma) < 0.3
    # Wrong twins: twice the volume; error bars of independent points of half the variance.
    assert not verdict(errors + np.log(2), sigma)
    assert not verdict(errors, sigma / 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ball", "eight active", "two balls", "slabs"])
def test_a_millionth_of_twenty_dimensions(name):
    level, d = {
        "ball": (ball(20, 1e-6), 20),
        "eight active": (corner(20, 8, 1e-6), 20),
        "two balls": (two_balls(6, 1e-6, 0.3), 6),
        "slabs": (diagonal_slabs(20, 4, 1e-6), 20),
    }[name]
    found = [sample_below_one(level, d, 2000, seed) for seed in range(24)]
    errors = np.array([sample.log_volume + np.log(1e6) for sample in found])
    sigma = np.array([sample.log_error for sample in found])
    assert verdict(errors, sigma)
    assert not verdict(errors + np.log(2), sigma)
    assert sigma.max() < 0.2


def test_a_millionth_of_twenty_dimensions_once():
    found = sample_below_one(corner(20, 8, 1e-6), 20, 1000, 5)
    assert abs(found.log_volume + np.log(1e6)) < 3 * found.log_error
    assert 0.1 < found.log_error < 0.3
    assert found.evaluations < 500_000
    thresholds = [threshold for threshold, _ in found.ladder]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] == 1.0


def uniformity(points, transform):
    return stats.kstest(transform(points), "uniform").pvalue


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        ("ball", lambda x: (np.linalg.norm(x - 0.5, axis=1) / radius(6, 1e-4)) ** 6),
        ("corner of 10-D", lambda x: x[:, 0] * 10),
        ("corner of 10-D", lambda x: x[:, 9]),
        ("oblique slabs in 12-D", lambda x: x[:, 7]),
        # Of x0 + x1 given a narrow slab: the slab is cut off by the corners of its face.
        ("oblique slabs in 12-D", lambda x: slab_sum(x[:, 0], x[:, 1])),
    ],
)
def test_the_points_are_uniform(name, transform):
    level, d, _ = REGIONS[name]
    points = np.concatenate(
        [sample_below_one(level, d, 300, 100 + seed).points for seed in range(3)]
    )
    assert (level(points, 1.0) <= 1).all()
    assert uniformity(points, transform) > 1e-3
    # The wrong twin: drawn a little together.
    assert uniformity(points, lambda x: transform(points) ** 1.3) < 1e-3


def slab_sum(x, y):
    """Distribution function of x + y where x, y are uniform in the square with |x - y| < w."""
    w = 1 - np.sqrt(1 - 1e-3**0.5)
    s = x + y

    def below(s):
        # Area of {x + y < s, |x - y| < w}: a triangle, then a strip of width w / sqrt 2 a side.
        return np.where(s < w, s**2 / 2, w * s - w**2 / 2)

    total = 1 - (1 - w) ** 2
    return np.where(s < 1, below(s), total - below(2 - s)) / total


def test_separate_parts_keep_their_shares():
    share = 0.3
    left = []
    for seed in range(8):
        found = sample_below_one(two_balls(4, 1e-3, share), 4, 1000, seed)
        left.append(np.mean(found.points.mean(axis=1) < 0.5))
    # The share is as uncertain as the volumes of the two parts.
    error = np.std(left, ddof=1) / np.sqrt(len(left))
    assert error < 0.03
    assert abs(np.mean(left) - share) < 4 * error
    assert abs(np.mean(left) - 0.5) > 4 * error


def test_a_large_region_is_found_by_chance():
    found = sample_below_one(corner(3, 2, 0.09), 3, 4000, 0)
    assert not found.ladder
    assert found.reached
    assert found.points.shape == (4000, 3)
    assert abs(np.exp(found.log_volume) - 0.09) < 3.5 * 0.09 * found.log_error
    assert found.log_error == pytest.approx(np.sqrt(0.91 / 0.09 / found.evaluations), rel=0.05)
    assert uniformity(found.points, lambda x: x[:, 0] / 0.3) > 1e-3


def test_a_level_may_stop_as_soon_as_it_exceeds_the_threshold():
    level, d, _ = REGIONS["ball"]

    def lazy(x, t):
        whole = level(x, t)
        return np.where(whole > t, np.inf, whole)

    a, b = (sample_below_one(f, d, 200, 3) for f in (level, lazy))
    np.testing.assert_array_equal(a.points, b.points)
    assert a.log_volume == b.log_volume


def test_the_same_seed_gives_the_same_points():
    level, d, _ = REGIONS["two balls"]
    a, b = (sample_below_one(level, d, 200, 3) for _ in range(2))
    np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.parametrize(
    "level",
    [
        lambda x, t: 1.3 + np.linalg.norm(x - 0.5, axis=1),  # a bottom above 1
        lambda x, t: np.full(len(x), 2.0),  # a plain
        lambda x, t: np.full(len(x), np.nan),
        lambda x, t: np.full(len(x), np.inf),
        lambda x, t: 1 + 1e-3 * (x[:, 0] > 1e-3),  # stairs
        lambda x, t: np.abs(x - 0.5).max(axis=1) / 1e-3,  # there, but 1e-24 of the cube
    ],
)
def test_an_empty_region_ends_soon(level):
    found = sample_below_one(level, 8, 100, 0)
    assert not found.reached
    assert found.evaluations < 1_500_000
    assert len(found.ladder) < 20
    assert len(found.points) == 100
