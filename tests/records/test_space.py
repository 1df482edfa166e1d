"""Views of the parameter space against scipy.stats and quadrature."""

import copy
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from astropy.table import QTable, Table
from scipy import stats

from equatorium import Parameter, Space
from equatorium.errors import (
    InputError,
    NotFiniteError,
    ShapeError,
    StateError,
    UnknownNameError,
)

PRIORS = {
    "flat": Parameter("a", -1.0, 3.0),
    "log": Parameter("a", 1e-3, 1e2, "log"),
    "loguniform word": Parameter("a", 0.5, 2.0, prior="loguniform"),
    "uniform on a log scale": Parameter("a", 0.5, 2.0, "log", prior="uniform"),
    "normal": Parameter("a", -2.0, 5.0, prior=stats.norm(1.0, 2.0)),
    "upper tail": Parameter("a", 6.0, 9.0, prior=stats.norm(0.0, 1.0)),
    "lower tail": Parameter("a", -9.0, -6.0, prior=stats.norm(0.0, 1.0)),
    "infinite": Parameter("a", prior=stats.norm(0.0, 1.0)),
    "half infinite": Parameter("a", prior=stats.expon(scale=2.0)),
    "beta": Parameter("a", prior=stats.beta(2.0, 5.0)),
    "lognormal": Parameter("a", scale="log", prior=stats.lognorm(0.5, scale=3.0)),
    "spec": Parameter("a", 0, 1, prior={"dist": "truncnorm", "a": -1, "b": 1, "loc": 0.5}),
    "wider box than support": Parameter("a", -1.0, 4.0, prior=stats.uniform(0.0, 3.0)),
}


@pytest.fixture(params=PRIORS, ids=str)
def one(request):
    return Space([PRIORS[request.param]])


@pytest.fixture
def space():
    return Space(
        [
            Parameter("alpha", 0.0, 2.0, unit="Gyr", label=r"$\alpha$", default=0.5),
            Parameter("beta", 1.0, 100.0, "log"),
            Parameter("gamma", prior=stats.norm(0.0, 1.0)),
        ]
    )


def probability(space, low, high):
    """Integrate the prior's density by Gauss-Legendre panels between its quantiles."""
    breaks = space.parameters[0].distribution.base.support()
    cuts = np.quantile(space.sample(2000, 0), np.linspace(0.01, 0.99, 60))
    edges = np.unique(np.clip([low, *cuts, *breaks, high], low, high))
    x, w = np.polynomial.legendre.leggauss(40)
    total = 0.0
    for a, b in itertools.pairwise(edges):
        nodes = a + (b - a) * (x + 1) / 2
        total += (np.exp(space.log_prior(nodes[:, None])) * w).sum() * (b - a) / 2
    return total


def test_the_prior_integrates_to_one(one):
    assert probability(one, one.low[0], one.high[0]) == pytest.approx(1.0, abs=1e-7)


def test_the_cube_is_the_integral_of_the_prior(one):
    x = one.from_cube([[0.3]])[0, 0]
    assert probability(one, one.low[0], x) == pytest.approx(0.3, abs=1e-7)
    assert one.to_cube([[x]])[0, 0] == pytest.approx(0.3, abs=1e-12)


def test_samples_follow_the_prior(one):
    theta = one.sample(4000, 1)
    assert one.contains(theta).all()
    assert stats.kstest(one.to_cube(theta)[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest(one.to_normal(theta)[:, 0], "norm").pvalue > 1e-3


def test_round_trips_reach_the_edges(one):
    tiny = np.array([0.0, 1e-12, 1e-6, 1e-3])
    c = np.concatenate([tiny, [0.2, 0.5, 0.8], 1 - tiny[::-1]])[:, None]
    theta = one.from_cube(c)
    assert one.contains(theta).all()
    np.testing.assert_allclose(one.to_cube(theta), c, rtol=1e-3, atol=1e-15)
    z = np.linspace(-6, 6, 41)[:, None]
    np.testing.assert_allclose(one.to_normal(one.from_normal(z)), z, atol=2e-6)
    u = np.concatenate([tiny, [0.5], 1 - tiny[::-1]])[:, None]
    np.testing.assert_allclose(one.to_unit(one.from_unit(u)), u, atol=1e-15)
    assert one.contains(one.from_unit(u)).all()
    assert np.isfinite(one.to_normal([one.low, one.high])).all()


def test_nothing_outside_the_box(one):
    width = one.high - one.low
    outside = np.array([one.low - 1e-9 * width, one.high + 0.1 * width, [np.nan], [np.inf]])
    assert not one.contains(outside).any()
    np.testing.assert_array_equal(one.log_prior(outside), -np.inf)
    for view in (one.to_cube, one.to_normal):
        with pytest.raises(InputError, match="outside"):
            view(outside[1:2])
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        one.from_cube([[1.1]])


def test_views_equal_scipys_truncated_distributions():
    space = Space([PRIORS["normal"], Parameter("b", 1.0, 100.0, "log")])
    theta = space.sample(50, 2)
    exact = stats.truncnorm(-1.5, 2.0, 1.0, 2.0)
    np.testing.assert_allclose(space.to_cube(theta)[:, 0], exact.cdf(theta[:, 0]), atol=1e-12)
    expected = exact.logpdf(theta[:, 0]) + stats.loguniform(1, 100).logpdf(theta[:, 1])
    np.testing.assert_allclose(space.log_prior(theta), expected, atol=1e-12)
    np.testing.assert_allclose(space.to_unit(theta)[:, 1], np.log10(theta[:, 1]) / 2, atol=1e-14)


def test_infinite_support_is_cut_at_its_1e4_quantiles():
    p = PRIORS["infinite"]
    assert (p.low, p.high) == pytest.approx((stats.norm.ppf(1e-4), stats.norm.isf(1e-4)))
    assert PRIORS["half infinite"].low == 0.0
    assert PRIORS["half infinite"].high == pytest.approx(2 * -np.log(1e-4))
    assert (PRIORS["beta"].low, PRIORS["beta"].high) == (0.0, 1.0)
    assert PRIORS["lognormal"].low > 0


def test_names_labels_and_defaults(space):
    assert space.names == space.all_names == ("alpha", "beta", "gamma")
    assert space.d == 3
    assert space.labels == (r"$\alpha$ [Gyr]", "beta", "gamma")
    np.testing.assert_allclose(space.defaults, [0.5, 10.0, 0.0], atol=1e-12)
    assert space.index("beta") == 1
    with pytest.raises(UnknownNameError, match="Did you mean 'alpha'"):
        space.index("alhpa")


def test_fixed_and_tied_parameters_are_filled_in(space):
    less = space.fix(beta=7.0, gamma="alpha")
    assert less.names == ("alpha",)
    assert less.all_names == space.all_names
    np.testing.assert_array_equal(less.complete([[1.5], [0.5]]), [[1.5, 7, 1.5], [0.5, 7, 0.5]])
    chained = Space([Parameter("a", 0, 1)], {"b": "c", "c": "a", "k": 3})
    np.testing.assert_array_equal(chained.complete([[0.25]]), [[0.25, 0.25, 0.25, 3.0]])
    with pytest.raises(UnknownNameError, match="It is fixed"):
        less.index("beta")
    np.testing.assert_allclose(less.log_prior([[1.0]]), np.log(0.5))


def test_replace_changes_one_parameter(space):
    narrow = space.replace("alpha", low=0.25, prior=stats.norm(1, 1))
    np.testing.assert_array_equal(narrow.low[:2], [0.25, 1.0])
    assert space.low[0] == 0.0
    with pytest.raises(UnknownNameError, match="Did you mean 'prior'"):
        space.replace("alpha", priro=None)
    with pytest.raises(UnknownNameError, match="Did you mean 'beta'"):
        space.replace("bta", low=0)


def test_array_reads_every_kind_of_table(space):
    theta = np.array([[1.0, 2.0, 0.5], [1.5, 3.0, -0.5]])
    columns = dict(zip(space.names, theta.T, strict=True))
    frame = pd.DataFrame({**columns, "other": ["x", "y"]})
    tables = [theta, columns, frame, Table(columns), frame.to_records(), theta.tolist()]
    for table in tables:
        np.testing.assert_array_equal(space.array(table), theta)
    np.testing.assert_array_equal(space.array({"gamma": 0.5, "beta": 2.0, "alpha": 1}), theta[:1])
    np.testing.assert_array_equal(space.array(theta[0]), theta[:1])
    np.testing.assert_array_equal(
        space.array({"alpha": [1.0, 1.5], "beta": 2.0, "gamma": 0.5})[:, 1], [2.0, 2.0]
    )


def test_array_converts_units(space):
    from astropy import units

    table = QTable({"alpha": [500.0] * units.Myr, "beta": [2.0], "gamma": [0.0]})
    np.testing.assert_allclose(space.array(table), [[0.5, 2.0, 0.0]])
    table["alpha"] = [1.0] * units.kpc
    with pytest.raises(InputError, match="'alpha' is in 'kpc', but 'Gyr' is needed"):
        space.array(table)


@pytest.mark.parametrize(
    ("points", "error", "says"),
    [
        ({"alpha": 1, "beta": 2}, UnknownNameError, "no column 'gamma'"),
        ({"alpha": 1, "beta": 2, "gamma": 0, "gama": 0}, UnknownNameError, "Did you mean 'gamma'"),
        (np.zeros((2, 2)), ShapeError, "3 columns"),
        ({"alpha": [1, 2], "beta": [2, 3, 4], "gamma": 0}, ShapeError, "length"),
        ({"alpha": np.nan, "beta": 2, "gamma": 0}, NotFiniteError, "alpha"),
        ({"alpha": "x", "beta": 2, "gamma": 0}, InputError, "real numbers"),
    ],
)
def test_array_names_what_is_wrong(space, points, error, says):
    with pytest.raises(error, match=says):
        space.array(points)


def test_a_point_may_repeat_fixed_values_but_not_contradict_them(space):
    less = space.fix(beta=7.0)
    np.testing.assert_array_equal(less.array({"alpha": 1, "beta": 7, "gamma": 0}), [[1, 0]])
    with pytest.raises(InputError, match="fixed to 7"):
        less.array({"alpha": 1, "beta": 8, "gamma": 0})


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Parameter("a", 2, 1), InputError, "'a' needs low < high.*swapped"),
        (lambda: Parameter("a", 1, 1), InputError, "low < high"),
        (lambda: Parameter("a", -1e308, 1e308), InputError, "'a'.* too wide"),
        (lambda: Parameter("a", np.nan, 1), InputError, "low < high"),
        (lambda: Parameter("a", 0, 1, "log"), InputError, "log scale.*low > 0"),
        (lambda: Parameter("a", 0, 1, prior="loguniform"), InputError, "log scale"),
        (lambda: Parameter("a", 0, 1, label=3), InputError, "label of parameter 'a' must be text"),
        (lambda: Parameter("a", 0, 1, "sqrt"), InputError, "'linear' or 'log'"),
        (lambda: Parameter("a", 0, 1, default=2), InputError, r"default .*outside.*\[0, 1\]"),
        (lambda: Parameter("a"), InputError, "no finite low"),
        (lambda: Parameter("a", 0, "b"), InputError, "high of parameter 'a'"),
        (lambda: Parameter("", 0, 1), InputError, "needs a name"),
        (lambda: Parameter("a", 0, 1, prior="normal"), InputError, r"normal\(mean, sd\)"),
        (lambda: Parameter("a", 0, 1, prior="nromal(0, 1)"), UnknownNameError, "mean 'normal'"),
        (lambda: Parameter("a", 0, 1, prior="normal(0, x)"), InputError, "with numbers"),
        (lambda: Parameter("a", 0, 1, prior="normal(0, -1)"), InputError, "built"),
        (lambda: Parameter("a", 0, 1, prior={"dist": "nrom"}), UnknownNameError, "mean 'norm'"),
        (lambda: Parameter("a", 0, 1, prior={"dist": "poisson"}), UnknownNameError, "continuous"),
        (lambda: Parameter("a", 0, 1, prior={"dist": "norm", "scale": -1}), InputError, "built"),
        (lambda: Parameter("a", 0, 1, prior={"dist": "norm", "sd": 1}), InputError, "built"),
        (lambda: Parameter("a", 0, 1, prior=stats.norm(np.zeros(2))), InputError, "built"),
        (lambda: Parameter("a", 0, 1, prior=3.0), InputError, "frozen scipy.stats"),
        (lambda: Parameter("a", 5, 6, prior=stats.uniform(0, 1)), InputError, "no probability"),
        (lambda: Space([]), InputError, "at least one free"),
        (lambda: Space([Parameter("a", 0, 1)] * 2), InputError, "'a' occurs more than once"),
        (lambda: Space(["a"]), InputError, "made of Parameters"),
        (lambda: Space([Parameter("a", 0, 1)], {"a": 1}), InputError, "at least one free"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "aa"}), UnknownNameError, "mean 'a'"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "c", "c": "b"}), InputError, "circle"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": np.inf}), InputError, "inf"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": None}), InputError, "None"),
        (lambda: Space([Parameter("a", 0, 1)]).fix(b=1), UnknownNameError, "not a parameter"),
        (lambda: Space([Parameter("a", 1, 2, "log")]).to_unit([[-1.0]]), InputError, "log scale"),
    ],
)
def test_bad_spaces_are_named(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_state_is_json_and_rebuilds_an_equal_space(space):
    for one in (space, space.fix(beta="alpha"), *(Space([p]) for p in PRIORS.values())):
        again = Space.from_state(json.loads(json.dumps(one.get_state())))
        assert again == one
        theta = one.sample(5, 3)
        np.testing.assert_array_equal(again.log_prior(theta), one.log_prior(theta))
    assert space != space.fix(beta=1)
    assert copy.deepcopy(space) == space  # by the protocol that sends simulators to workers


def test_a_damaged_state_raises(space):
    state = space.get_state()
    with pytest.raises(StateError, match="fixed"):
        Space.from_state({"parameters": state["parameters"]})
    state["parameters"][0]["low"] = 99
    with pytest.raises(StateError, match="low < high"):
        Space.from_state(state)
    del state["parameters"][0]["low"]
    with pytest.raises(StateError, match="low"):
        Space.from_state(state)


def test_records_cannot_be_changed(space):
    with pytest.raises(AttributeError):
        space.fixed = {}
    with pytest.raises(ValueError, match="read-only"):
        space.low[0] = 1
