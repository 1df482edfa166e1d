"""Derived parameters and bounds that depend on others, against quadrature and simulation."""

import numpy as np
import pytest
from scipy import integrate, stats

import equatorium as eq
from equatorium import Parameter, Space
from equatorium.errors import InputError, UnknownNameError
from equatorium.records.expression import Expression
from equatorium.simulate.design import latin_hypercube


def same(theta):
    return theta


def triangle():
    """Uniform a in [0, 1], then b | a uniform in [0, a]."""
    return Space([Parameter("b", 0, 1, below="a"), Parameter("a", 0.01, 1)])


def curved():
    """A normal in a tail, on a log scale, bounded on both sides by others."""
    return Space(
        [
            Parameter("a", 1.0, 3.0, "log"),
            Parameter(
                "b", 0.1, 20.0, "log", prior=stats.lognorm(0.8), above="a", below="k * a + 1"
            ),
            Parameter("c", -9.0, 9.0, prior=stats.norm(0, 1), above="4 + c0", below="5 + c0"),
            Parameter("c0", 0.0, 1.0),
        ],
        {"k": 2.0},
    )


def test_the_density_is_that_of_the_chain():
    space = triangle()
    theta = np.array([[0.2, 0.5], [0.6, 0.5], [0.1, 0.2]])
    expected = np.log([1 / 0.99 / 0.5, 0.0001, 1 / 0.99 / 0.2])
    np.testing.assert_allclose(space.log_prior(theta)[[0, 2]], expected[[0, 2]], rtol=1e-12)
    assert space.log_prior(theta)[1] == -np.inf
    assert space.contains(theta).tolist() == [True, False, True]


def test_the_density_integrates_to_one():
    space = curved()

    def density(b, a):
        point = np.array([[a, b, 4.6 + 0.5, 0.5]])
        return float(np.exp(space.log_prior(point)[0]))

    found, _ = integrate.dblquad(density, 1, 3, lambda a: a, lambda a: 2 * a + 1, epsabs=1e-9)
    cut = stats.truncnorm(4.5, 5.5)  # what is left of c where c0 = 0.5
    assert found == pytest.approx(cut.pdf(5.1), rel=1e-7)


@pytest.mark.parametrize("make", [triangle, curved])
def test_views_are_exact(make):
    space = make()
    theta = space.sample(4000, 1)
    assert space.contains(theta).all()
    cube, normal = space.to_cube(theta), space.to_normal(theta)
    for j in range(space.d):
        assert stats.kstest(cube[:, j], "uniform").pvalue > 1e-3
        assert stats.kstest(normal[:, j], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(cube.T) - np.eye(space.d)).max() < 0.06
    np.testing.assert_allclose(space.from_cube(cube), theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(space.from_normal(normal), theta, rtol=1e-9, atol=1e-12)
    assert space.contains(space.from_cube(np.round(cube))).all(), "edges"


@pytest.mark.parametrize("make", [triangle, curved])
def test_the_jacobian_is_that_of_the_views(make):
    """|d theta / d cube| times the prior's density is 1, by central differences."""
    space = make()
    cube = np.random.default_rng(3).uniform(0.05, 0.95, (5, space.d))
    step = 1e-6
    slopes = np.stack(
        [
            (space.from_cube(cube + step * e) - space.from_cube(cube - step * e)) / (2 * step)
            for e in np.eye(space.d)
        ],
        axis=-1,
    )
    volume = np.abs(np.linalg.det(slopes)) * np.exp(space.log_prior(space.from_cube(cube)))
    np.testing.assert_allclose(volume, 1.0, rtol=1e-5)


def test_order_follows_dependence_not_position():
    space = Space(
        [
            Parameter("x", 0, 10, below="y"),
            Parameter("y", 1, 10, below="twice"),
            Parameter("z", 1, 5),
        ],
        {"twice": "2 * z", "unused": "1 / (z - z)"},
    )
    theta = space.sample(500, 0)
    assert (theta[:, 0] <= theta[:, 1]).all() and (theta[:, 1] <= 2 * theta[:, 2]).all()
    with pytest.raises(InputError, match="unused"):
        space.complete(theta)


def test_derived_values_are_completed_and_reach_the_simulator():
    space = Space(
        [Parameter("a", 1, 2), Parameter("b", 1, 2), Parameter("c", 0, 9)],
        {"c": "a * b", "ratio": "log10(a / b)"},
    )
    theta = np.array([[1.5, 1.2], [1.0, 2.0]])
    full = space.complete(theta)
    assert space.names == ("a", "b") and space.derived_names == ("c", "ratio")
    np.testing.assert_allclose(full[:, 2], theta.prod(axis=1))
    np.testing.assert_allclose(full[:, 3], np.log10(theta[:, 0] / theta[:, 1]))

    simulator = eq.wrap(
        same,
        Space([Parameter("a", 1, 2), Parameter("b", 1, 2), Parameter("c", 0, 9)]),
        eq.Outputs(["a", "b", "c"]),
        version="1",
        as_array=True,
    )
    runs = eq.run_design(simulator, space, theta, progress=False)
    np.testing.assert_allclose(runs.Y, full[:, :3])


def test_designs_fill_what_the_bounds_leave():
    space = triangle()
    theta = latin_hypercube(space, 400, 0)
    assert space.contains(theta).all()
    share = theta[:, 0] / theta[:, 1]
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    assert stats.kstest(theta[:, 1], stats.uniform(0.01, 0.99).cdf).pvalue > 0.99, "stratified"


def test_states_keep_bounds_and_expressions(tmp_path):
    space = curved().fix(c0="0.1 * a")
    eq.save(tmp_path / "space.h5", space)
    again = eq.load(tmp_path / "space.h5")
    assert again == space
    np.testing.assert_array_equal(again.sample(20, 5), space.sample(20, 5))
    old = Parameter("a", 0, 1).get_state()
    assert "above" not in old and Parameter.from_state(old) == Parameter("a", 0, 1)


def test_a_posterior_of_a_bounded_space():
    """b | a uniform below a, one datum on a + b: against quadrature over the triangle."""

    class Sum:
        def log_likelihood(self, theta):
            return stats.norm(1.0, 0.2).logpdf(theta.sum(axis=1))

    space = triangle()
    draws = eq.sampler("emcee", walkers=16, max_steps=1200, until={"rhat": 1.02, "ess": 500}).run(
        eq.Posterior(space, Sum()), rng=2, progress=False
    )
    a, b = np.meshgrid(np.linspace(0.01, 1, 801), np.linspace(0, 1, 801), indexing="ij")
    weight = np.where(b <= a, stats.norm(1.0, 0.2).pdf(a + b) / a, 0.0)
    expected = [(b * weight).sum() / weight.sum(), (a * weight).sum() / weight.sum()]
    assert draws.space.contains(draws.flat).all()
    np.testing.assert_allclose(draws.mean, expected, atol=0.02)


def test_priors_in_words():
    for text, exact in {
        "normal(1, 2)": stats.norm(1, 2),
        "halfnormal(2)": stats.halfnorm(scale=2),
        "lognormal(0.5, 0.3)": stats.lognorm(0.3, scale=np.exp(0.5)),
        "student_t(3, 1, 2)": stats.t(3, 1, 2),
        "exponential(2)": stats.expon(scale=2),
        "gamma(2, 3)": stats.gamma(2, scale=3),
        "beta(2, 3)": stats.beta(2, 3),
        "cauchy(0, 1)": stats.cauchy(0, 1),
        "uniform(0.2, 0.7)": stats.uniform(0.2, 0.5),
        "loguniform(0.2, 0.7)": stats.loguniform(0.2, 0.7),
    }.items():
        space = Space([Parameter("a", 0.25, 0.6, prior=text)])
        x = np.linspace(0.26, 0.59, 7)
        density = exact.logpdf(x) - np.log(exact.cdf(0.6) - exact.cdf(0.25))
        np.testing.assert_allclose(space.log_prior(x[:, None]), density, atol=1e-12, err_msg=text)


def test_quantities_are_converted():
    from astropy import units as u

    p = Parameter("m", 1e3 * u.kg, 2 * u.t, unit="kg", default=1.5 * u.t)
    assert (p.low, p.high, p.default, p.unit) == (1e3, 2e3, 1500.0, "kg")
    assert Parameter("v", 1 * u.km / u.s, 2e3 * u.m / u.s).high == 2.0
    with pytest.raises(InputError, match="high of parameter 'm' is 2"):
        Parameter("m", 1, 2 * u.s, unit="kg")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Space([Parameter("a", 0, 1, below="b"), Parameter("b", 0, 1, above="a")]),
            InputError,
            "circle: a -> b -> a",
        ),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "c + 1", "c": "2 * b"}), InputError, "circle"),
        (
            lambda: Space([Parameter("a", 0, 1, below="bb"), Parameter("b", 1, 2)]),
            InputError,
            "Did you mean 'b'",
        ),
        (lambda: Space([Parameter("a", 0, 1, below="a")]), InputError, "circle: a -> a"),
        (
            lambda: Space([Parameter("a", 2, 3, below="b"), Parameter("b", 0, 1)]),
            InputError,
            "leave it nothing",
        ),
        (
            lambda: Space([Parameter("a", 0, 1, below="1 + exp(b)"), Parameter("b", 1e3, 2e3)]),
            InputError,
            "bound 'below' of parameter 'a'",
        ),
        (
            lambda: Space(
                [Parameter("a", 0, 1, below="b", default=0.9), Parameter("b", 0.1, 1, default=0.2)]
            ),
            InputError,
            "default",
        ),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "a +"}), InputError, "arithmetic"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "open('x')"}), InputError, "It may hold"),
        (lambda: Space([Parameter("a", 0, 1)], {"b": "aa"}), UnknownNameError, "tied to 'aa'"),
        (lambda: Parameter("a", 0, 1, below=3), InputError, "must be text"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_points_out_of_conditional_bounds_are_named():
    space = triangle()
    with pytest.raises(InputError, match=r"b = 0.7, outside \[0, 0.5\]"):
        space.to_cube([[0.2, 0.5], [0.7, 0.5]])
    simulator = eq.wrap(same, space, eq.Outputs(["a", "b"]), version="1", as_array=True)
    with pytest.raises(InputError, match=r"b = 0.7, outside \[0, 0.5\]"):
        eq.run_design(simulator, space, [[0.7, 0.5]], progress=False)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "a.real", "a[0]", "lambda: 1", "a if a else b", "a < b", "True", "1j",
     "a; b", "", "sqrt(a, b)", "exp(x=a)", "-" * 2000 + "a", "1" + "0" * 400, "a\n+b"],
)  # fmt: skip
def test_only_arithmetic_is_read(text):
    with pytest.raises(InputError):
        Expression(text, ("a", "b"), "It")


def test_arithmetic_agrees_with_numpy():
    a, b = np.random.default_rng(0).uniform(0.1, 2.0, (2, 9))
    found = Expression("-a**2 + 3*(b - minimum(a, e))/arctan2(a, b) + abs(-b)", ("a", "b"), "It")
    expected = -(a**2) + 3 * (b - np.minimum(a, np.e)) / np.arctan2(a, b) + np.abs(-b)
    np.testing.assert_allclose(found({"a": a, "b": b}), expected, rtol=1e-14)
    assert set(found.names) == {"a", "b"}


def ordered():
    """Uniform a in [0, 1], then b | a uniform in [a, 1]: nothing is left where a is 1."""
    return Space([Parameter("a", 0, 1), Parameter("b", 0, 1, above="a")])


class Flat:
    def log_likelihood(self, theta):
        return np.zeros(len(theta))


def test_a_point_that_leaves_nothing_is_impossible_and_no_error():
    """z = 9 is a = 1 exactly: chains come there, and to corners that no check has seen."""
    z = np.array([[9.0, 0.3], [0.0, 0.0]])
    posterior = eq.Posterior(ordered(), Flat())
    assert ordered().from_normal(z).tolist() == [[1.0, 1.0], [0.5, 0.75]]
    np.testing.assert_array_equal(ordered().contains(ordered().from_normal(z)), [False, True])
    exact = [-np.inf, -np.log(2 * np.pi)]
    np.testing.assert_allclose(posterior.log_prob_normal(z), exact, rtol=1e-14)
    np.testing.assert_array_equal(posterior.log_prob_cube(np.array([[1.0, 0.3]])), -np.inf)
    assert "leaves b nothing" in ordered().outside([[1.0, 1.0]])
    tail = Space([Parameter("a", 0, 1), Parameter("b", 0, 1, prior="normal(0, 0.1)", below="a")])
    found = tail.from_normal(np.array([[9.0, -9.0], [-9.0, 9.0]]))
    assert np.isfinite(found).all() and tail.contains(found).tolist() == [True, False], "a = 1e-19"


@pytest.mark.parametrize("fixed", [{}, {"far": "1 / (1 - a)"}])
def test_a_bound_may_be_infinite_or_nothing_at_an_edge(fixed):
    """1 / (1 - a) is infinite where a is 1, which is no bound; sqrt(1 - a) / (1 - a) is NaN."""
    first, z = Parameter("a", 0, 1), np.array([[9.0, 0.0], [0.0, 0.0]])
    space = Space([first, Parameter("b", 0, 50, below="far" if fixed else "1 / (1 - a)")], fixed)
    np.testing.assert_allclose(space.from_normal(z), [[1.0, 25.0], [0.5, 1.0]], rtol=1e-14)
    assert space.contains(space.from_normal(z)).all()
    for side in ("above", "below"):
        none = Space([first, Parameter("b", 0, 1e9, **{side: "sqrt(1 - a) / (1 - a)"})], fixed)
        assert none.contains(none.from_normal(z)).tolist() == [False, True]
        assert np.isfinite(none.from_normal(z)).all()


def test_a_corner_that_leaves_nothing_is_found_by_sampling():
    """c < 1.99 is broken by a + b > 1.99, 5e-5 of the prior."""
    space = Space(
        [Parameter("a", 0, 1), Parameter("b", 0, 1), Parameter("c", 0, 1.99, above="a + b")]
    )
    corner = space.from_cube([[0.999, 0.999, 0.5], [0.5, 0.5, 0.5]])
    assert space.contains(corner).tolist() == [False, True]
    with pytest.raises(InputError, match=r"'c'.*leave it nothing"):
        space.sample(200_000, rng=0)


def test_samplers_do_not_stumble_over_ordered_parameters():
    """A flat posterior is the prior: a uniform, b | a uniform above it."""
    sampler = eq.sampler("emcee", walkers=16, max_steps=1000, until={"rhat": 1.02, "ess": 500})
    draws = sampler.run(eq.Posterior(ordered(), Flat()), rng=0, progress=False)
    np.testing.assert_allclose(draws.mean, [0.5, 0.75], atol=0.05)
    # E(b^2 | a) = (1 + a + a^2) / 3, so that var(b) = 11/18 - 9/16.
    np.testing.assert_allclose(draws.std**2, [1 / 12, 11 / 18 - 9 / 16], rtol=0.2)


@pytest.mark.parametrize("prior", [None, "normal(8.5, 0.1)"])
def test_a_default_moves_the_medians_of_those_it_bounds(prior):
    """Given inner = 8.5, outer is uniform in [8.6, 10]."""
    inner = Parameter("inner", 0.1, 9.0, default=8.5, prior=prior)
    space = Space([Parameter("outer", 0.2, 10.0, above="inner + 0.1"), inner])
    np.testing.assert_allclose(space.defaults, [9.3, 8.5], rtol=1e-14)
    theta = latin_hypercube(space, 200, 0)
    assert space.contains(theta).all()
    assert stats.kstest(theta[:, 1], stats.uniform(0.1, 8.9).cdf).pvalue > 0.99, "stratified"


def test_fixed_numbers_lie_in_their_range_and_bounds():
    """b = 0.2 keeps its bound above a only if a stays below 0.2."""
    free = [Parameter("a", 0, 1), Parameter("b", 0, 1)]
    with pytest.raises(InputError, match=r"'b' cannot be fixed to 7, outside its range \[0, 1\]"):
        Space(free, {"b": 7.0})
    with pytest.raises(InputError, match=r"'b'.* leave not what .*: 0.2 is outside"):
        ordered().fix(b=0.2)
    with pytest.raises(InputError, match=r"'b'.* leave not what .*: 0.5 is outside"):
        Space([*ordered().declared, Parameter("c", 0, 1)], {"half": 0.5}).fix(b="half")
    narrow = ordered().replace("a", high=0.2).fix(b=0.2)
    assert not narrow.conditional and narrow.contains([[0.1], [0.2]]).all()
    assert narrow.complete([[0.1]]).tolist() == [[0.1, 0.2]]


def test_the_bounds_of_a_derived_parameter_hold_at_every_point():
    """b = a^8 + 0.9 stays below 1.899 but in a corner that 256 points miss."""
    space = Space([Parameter("a", 0, 1), Parameter("b", 0, 2, below="1.899")], {"b": "a**8 + 0.9"})
    assert space.contains([[0.5], [0.9999]]).tolist() == [True, False]
    assert space.outside([[0.9999]]).startswith("Point 0 has b = 1.8992, outside [-inf, 1.899]")
    assert space.log_prior([[0.9999]]) == -np.inf


@pytest.mark.parametrize("micro", ["\u00b5", "\u03bc"])
def test_names_are_known_however_python_spells_them(micro):
    """The micro sign, which keyboards have, is the Greek letter to Python."""
    space = Space([Parameter("\u00b5", 1, 2), Parameter("b", 0, 9)], {"c": f"2 * {micro} + b"})
    assert space.complete([[1.5, 4.0]]).tolist() == [[1.5, 4.0, 7.0]]
    assert space.derived_names == ("c",)


def test_words_of_pythons_are_named():
    with pytest.raises(InputError, match=r"'lambda' is a word of Python's: rename"):
        Space([Parameter("lambda", 0, 1), Parameter("b", 0, 1)], {"c": "2 * lambda"})
