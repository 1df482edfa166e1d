import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium import storage
from equatorium.errors import (
    EmptyRegionError,
    InputError,
    NotFiniteError,
    NotValidatedError,
    ShapeError,
)
from equatorium.history.implausibility import Implausibility
from equatorium.history.region import Region, Wave
from equatorium.records.discrepancy import Discrepancy
from equatorium.records.observation import Observation
from equatorium.records.space import Parameter, Space

SIGMA = np.hypot(0.05, 0.05)  # of the emulator and of the data, as in `make_wave`


def box_wave(tools, space, indices, width, centre=0.5, **options):
    """Rules out all but |u_i - centre| < width / 2 for the parameters at `indices`."""
    A = tools.selecting(indices, space.d)
    values = np.full(len(A), centre)
    return tools.make_wave(space, A, values, cutoff=width / 2 / SIGMA, **options)


def within(sample, truth):
    return abs(sample.volume - truth) < 3.3 * sample.volume_error


def test_nothing_is_ruled_out_without_a_wave(tools):
    space = tools.unit_space(3)
    region = Region(space)
    sample = region.sample(100, 0)
    assert (sample.volume, sample.volume_error) == (1.0, 0.0)
    assert sample.particles.shape == (100, 3)
    assert region.contains(sample.particles).all()
    np.testing.assert_array_equal(region.level([[0.5] * 3, [1.1] * 3]), [0.0, np.inf])


def test_a_wave_leaves_the_box_that_its_data_allow(tools):
    space = tools.unit_space(4)
    region = Region(space, [box_wave(tools, space, [0, 2], 0.3)])
    theta = space.sample(1000, 0)
    expected = (np.abs(theta[:, [0, 2]] - 0.5) <= 0.15).all(axis=1)
    np.testing.assert_array_equal(region.contains(theta), expected)
    np.testing.assert_allclose(
        region.level(theta), np.abs(theta[:, [0, 2]] - 0.5).max(axis=1) / 0.15
    )


def test_outside_the_box_is_outside_the_region_and_no_error(tools):
    space = tools.unit_space(2)
    region = Region(space, [box_wave(tools, space, [0], 0.9)])
    points = [[0.5, 0.5], [0.5, 1.001], [-0.1, 0.5]]
    np.testing.assert_array_equal(region.contains(points), [True, False, False])
    assert np.isinf(region.level(points)[1:]).all()
    with pytest.raises(ShapeError):
        region.level([[0.5]])
    with pytest.raises(NotFiniteError):
        region.level([[np.nan, 0.5]])


def test_the_second_maximum_forgives_one_datum(tools):
    space = tools.unit_space(3)
    region = Region(space, [box_wave(tools, space, [0, 1, 2], 0.3, rule="second")])
    theta = space.sample(500, 0)
    out = (np.abs(theta - 0.5) > 0.15).sum(axis=1)
    np.testing.assert_array_equal(region.contains(theta), out <= 1)


def test_waves_accumulate(tools):
    space = tools.unit_space(3)
    first = Region(space, [box_wave(tools, space, [0], 0.5)])
    both = first.extended(box_wave(tools, space, [1, 2], 0.4, centre=0.7))
    assert (len(first.waves), len(both.waves)) == (1, 2)
    theta = space.sample(1000, 0)
    late = (np.abs(theta[:, 1:] - 0.7) <= 0.2).all(axis=1)
    np.testing.assert_array_equal(both.contains(theta), first.contains(theta) & late)
    a, b = (wave.level(theta) for wave in both.waves)
    np.testing.assert_allclose(both.level(theta), np.maximum(a, b))
    sample = both.sample(3000, 1)
    assert sample.method == "rejection"
    assert within(sample, 0.5 * 0.4**2)
    assert both.contains(sample.particles).all()


def test_points_ruled_out_by_the_newest_wave_are_not_shown_to_the_others(tools, monkeypatch):
    space = tools.unit_space(2)
    region = Region(space, [box_wave(tools, space, [0], 0.5), box_wave(tools, space, [1], 0.1)])
    seen = []
    plain = Wave.level

    def counting(self, theta):
        seen.append((self is region.waves[0], len(theta)))
        return plain(self, theta)

    monkeypatch.setattr(Wave, "level", counting)
    theta = space.sample(1000, 0)
    inside = region.contains(theta)
    survivors = int((np.abs(theta[:, 1] - 0.5) <= 0.05).sum())
    assert seen == [(False, 1000), (True, survivors)]
    np.testing.assert_array_equal(inside, region.level(theta) <= 1)


def test_a_tiny_region_in_twenty_dimensions(tools):
    space = tools.unit_space(20)
    first = box_wave(tools, space, [0, 1, 2, 3], 0.3)
    second = box_wave(tools, space, [0, 4, 5, 6, 7], 0.2, centre=0.55)
    region = Region(space, [first, second])
    # |u_0 - .5| < .15 and |u_0 - .55| < .1 leave .45 to .65; six others are free of each other.
    truth = 0.2 * 0.3**3 * 0.2**4
    sample = region.sample(1000, 2)
    assert sample.method == "subset simulation"
    assert within(sample, truth)
    assert sample.volume_error < 0.3 * sample.volume
    assert not within(type(sample)(**{**vars(sample), "volume": 2.5 * sample.volume}), truth)
    assert region.contains(sample.particles).all()
    assert (sample.levels <= 1).all()
    for j, low, width in ((0, 0.45, 0.2), (1, 0.35, 0.3), (7, 0.45, 0.2), (19, 0.0, 1.0)):
        assert stats.kstest(sample.particles[:, j], "uniform", (low, width)).pvalue > 1e-3


def test_the_volume_is_a_share_of_the_prior_and_particles_follow_it(tools):
    space = Space(
        [
            Parameter("gauss", -2.0, 2.0, prior=stats.norm(0, 0.5)),
            Parameter("log", 1.0, 100.0, scale="log"),
        ]
    )
    # |u_0 - 0.5| < 0.125 is |gauss| < 0.5, one sigma of its prior; u_1 < 0.5 is log < 10.
    A = [[1.0, 0.0], [0.0, 1.0]]
    wave = tools.make_wave(space, A, [0.5, 0.25], cutoff=0.25 / SIGMA, error=0.05)
    region = Region(space, [wave])
    sample = region.sample(4000, 3)
    p = stats.norm.cdf([-2, 2], 0, 0.5)
    # both are cut at |u - centre| < 0.25: gauss within 2 sigma, log below 10
    truth = (stats.norm.cdf(2) - stats.norm.cdf(-2)) / (p[1] - p[0]) * 0.5
    assert within(sample, truth)
    prior = stats.truncnorm(-2, 2, scale=0.5)
    assert stats.kstest(sample.particles[:, 0], prior.cdf).pvalue > 1e-3
    assert stats.kstest(np.log10(sample.particles[:, 1]), "uniform").pvalue > 1e-3
    # The wrong twin: as if it were uniform in the box.
    assert stats.kstest(sample.particles[:, 0], "uniform", (-1, 2)).pvalue < 1e-3


def test_an_empty_region_names_the_data_that_rule_it_out(tools):
    space = tools.unit_space(6)
    surrogate = tools.surrogate_of(tools.Affine(tools.selecting([0, 0, 1], 6), 0.05), space)
    observation = Observation([0.1, 0.9, 0.5], [0.05] * 3, names=["y0", "y1", "y2"])
    wave = Wave(Implausibility(surrogate, observation), "maximum", 3.0)
    with pytest.raises(EmptyRegionError) as caught:
        Region(space, [wave]).sample(200, 0)
    message = str(caught.value)
    assert "Datum 0 'y0': I = 5.6" in message
    assert "Datum 1 'y1': I = 5.6" in message
    assert "y2" not in message
    assert "wave 1, whose cut-off is 3.00" in message
    assert "discrepancy.inflated" in message
    # The remedy works.
    wider = Discrepancy(0.06, diagonal=True).inflated(2.0)
    left = Region(space, [Wave(Implausibility(surrogate, observation, wider), "maximum", 3.0)])
    assert left.sample(200, 0).volume > 0


def test_a_region_is_never_asked_for_nonsense(tools):
    region = Region(tools.unit_space(2))
    for n in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="n must be"):
            region.sample(n)


def test_waves_over_another_space_are_refused(tools):
    wave = box_wave(tools, tools.unit_space(2), [0], 0.5)
    with pytest.raises(InputError, match="Wave 1 is over x0, x1, but the region over x0, x1, x2"):
        Region(tools.unit_space(3), [wave])
    wide = Space([Parameter("x0", 0.0, 1.0), Parameter("x1", -1.0, 1.0)])
    with pytest.raises(InputError, match="narrower range of x1"):
        Region(wide, [wave])


def test_the_same_seed_gives_the_same_particles(tools):
    space = tools.unit_space(5)
    region = Region(space, [box_wave(tools, space, [0, 1, 2, 3], 0.1)])
    a, b = (region.sample(50, 9) for _ in range(2))
    np.testing.assert_array_equal(a.particles, b.particles)
    assert a.volume == b.volume


def test_progress_goes_to_the_standard_error_only(tools, capsys):
    space = tools.unit_space(3)
    Region(space, [box_wave(tools, space, [0], 0.5)]).sample(50, 0, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "of the prior" in err


def test_a_wave_needs_an_emulator_that_was_validated(tools):
    space = tools.unit_space(2)
    observation = Observation([0.5], [0.1], names=["y0"])
    unknown = tools.surrogate_of(tools.Affine([[1.0, 0.0]]), space, report=False)
    with pytest.raises(NotValidatedError, match="no report"):
        Wave(Implausibility(unknown, observation))
    assert Wave(Implausibility(unknown, observation), override="known exactly").override


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rule": "secnod"}, r"no rule 'secnod'.*Did you mean 'second'"),
        ({"rule": "second"}, "at least 2 data"),
        ({"cutoff": 0.0}, "cutoff"),
        ({"cutoff": np.inf}, "cutoff"),
    ],
)
def test_wrong_waves_are_refused(tools, options, match):
    space = tools.unit_space(2)
    surrogate = tools.surrogate_of(tools.Affine([[1.0, 0.0]]), space)
    implausibility = Implausibility(surrogate, Observation([0.5], [0.1], names=["y0"]))
    with pytest.raises(InputError, match=match):
        Wave(implausibility, **options)


def test_a_file_gives_back_the_same_region(tools, tmp_path):
    eq.register("emulator", tools.Affine, name="test-affine")
    space = tools.unit_space(3)
    surrogate = tools.surrogate_of(tools.Affine(tools.selecting([0, 1], 3)), space)
    observation = Observation([0.5, 0.4], [0.1, 0.1], names=["y0", "y1"])
    implausibility = Implausibility(
        surrogate, observation, Discrepancy(0.1, diagonal=True), kept=[1]
    )
    wave = Wave(implausibility, "maximum", 3.1, 0.02, 40, "because")
    region = Region(space, [wave])
    storage.save(tmp_path / "region.h5", region)
    again = storage.load(tmp_path / "region.h5")
    theta = space.sample(50, 0)
    np.testing.assert_array_equal(again.level(theta), region.level(theta))
    (loaded,) = again.waves
    assert (loaded.rule, loaded.cutoff, loaded.probability) == ("maximum", 3.1, 0.02)
    assert (loaded.n_runs, loaded.override) == (40, "because")
    assert loaded.dropped == ("Datum 0 'y0'",)
    assert loaded.report == wave.report
