"""The posterior in each view: one evidence, one density, and nothing outside."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import integrate, stats

from equatorium.errors import InputError, ShapeError
from equatorium.history.region import Region
from equatorium.inference.joint import JointLikelihood
from equatorium.inference.posterior import Posterior
from equatorium.records.space import Parameter, Space


class Bump:
    """A Gaussian likelihood in theta itself; remembers what it was asked."""

    def __init__(self, centre, width, value=None):
        self.centre, self.width, self.value = centre, width, value
        self.seen = []

    def log_likelihood(self, theta):
        self.seen.append(len(theta))
        if self.value is not None:
            return np.where(theta[:, 0] > self.centre, self.value, 0.0)
        return stats.norm(self.centre, self.width).logpdf(theta[:, 0])


PARAMETERS = [
    Parameter("linear", -1.0, 3.0),
    Parameter("log", 0.1, 20.0, "log"),
    Parameter("curved", -4.0, 4.0, prior=stats.norm(1.0, 0.7)),
    Parameter("curved log", 0.2, 30.0, "log", prior=stats.lognorm(0.8)),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_all_views_have_one_evidence(parameter):
    posterior = Posterior(Space([parameter]), Bump(1.3, 0.4))

    def evidence(log_density, low, high):
        x = np.linspace(low, high, 40_001)
        return integrate.trapezoid(np.exp(log_density(x[:, None])), x)

    physical = evidence(posterior.log_prob, parameter.low, parameter.high)
    assert evidence(posterior.log_prob_box, 0, 1) == pytest.approx(physical, rel=1e-6)
    assert evidence(posterior.log_prob_cube, 0, 1) == pytest.approx(physical, rel=1e-6)
    assert evidence(posterior.log_prob_normal, -8, 8) == pytest.approx(physical, rel=1e-6)


def test_the_prior_is_scipys():
    posterior = Posterior(Space([PARAMETERS[2]]), Bump(0.0, 1.0))
    theta = np.array([[0.3]])
    prior = stats.norm(1.0, 0.7)
    mass = prior.cdf(4) - prior.cdf(-4)
    exact = prior.logpdf(0.3) - np.log(mass) + stats.norm.logpdf(0.3)
    assert posterior.log_prob(theta)[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("name", ["box", "cube", "normal"])
def test_views_round_trip(name):
    space = Space(PARAMETERS)
    view = Posterior(space, Bump(1.0, 1.0)).view(name)
    theta = space.sample(50, 1)
    assert view.to_theta(view.from_theta(theta)) == pytest.approx(theta, rel=1e-9)
    assert np.isfinite(view.log_prob(view.from_theta(theta))).all()
    assert (view.name, view.d) == (name, 4)


def test_unknown_view():
    with pytest.raises(InputError, match=r"'norml'.*Did you mean 'normal'"):
        Posterior(Space(PARAMETERS[:1]), Bump(0, 1)).view("norml")


def test_outside_the_box_is_impossible_and_not_evaluated():
    likelihood = Bump(0.0, 1.0)
    posterior = Posterior(Space(PARAMETERS[:1]), likelihood)
    theta = np.array([[-1.1], [0.0], [3.1], [np.nan]])
    assert np.isfinite(posterior.log_prob(theta)).tolist() == [False, True, False, False]
    assert posterior.log_prob_box(np.array([[-0.1], [1.1]])).tolist() == [-np.inf, -np.inf]
    assert posterior.log_prob_cube(np.array([[-0.1], [1.1]])).tolist() == [-np.inf, -np.inf]
    assert likelihood.seen == [1]


def test_the_last_wave_is_asked_first_and_only_survivors_go_on():
    asked = {"first": [], "last": []}

    def wave(name, cut):
        def level(theta):
            asked[name].append(len(theta))
            return theta[:, 0] / cut

        return SimpleNamespace(level=level, surrogate=SimpleNamespace(space=space))

    space = Space([Parameter("a", 0, 10)])
    region = Region(space, (wave("first", 5.0), wave("last", 3.0)))
    likelihood = Bump(0.0, 1.0)
    posterior = Posterior(space, likelihood, region)
    theta = np.array([[1.0], [2.0], [4.0], [6.0], [11.0]])
    assert np.isfinite(posterior.log_prob(theta)).tolist() == [True, True, False, False, False]
    assert asked == {"first": [2], "last": [4]}
    assert likelihood.seen == [2]
    posterior.log_prob(theta[2:])
    assert asked["first"] == [2]
    assert likelihood.seen == [2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_probability_is_impossible_and_counted(bad):
    posterior = Posterior(Space([PARAMETERS[0]]), Bump(1.0, 1.0, value=bad))
    result = posterior.log_prob(np.array([[0.0], [1.5], [2.5]]))
    assert result[0] == pytest.approx(-np.log(4.0))
    assert result[1:].tolist() == [-np.inf, -np.inf]
    assert posterior.n_nan == 2
    assert posterior.first_nan.tolist() == [1.5]
    posterior.log_prob(np.array([[2.0]]))
    assert posterior.n_nan == 3
    assert posterior.first_nan.tolist() == [1.5]


def test_a_region_over_other_parameters_is_refused():
    other = SimpleNamespace(space=Space([Parameter("b", 0, 1)]), waves=())
    with pytest.raises(InputError, match="over b"):
        Posterior(Space([Parameter("a", 0, 1)]), Bump(0, 1), other)


def test_wrong_shapes():
    posterior = Posterior(Space(PARAMETERS[:2]), Bump(0, 1))
    with pytest.raises(ShapeError, match=r"\(m, 2\) for linear, log"):
        posterior.log_prob(np.zeros((3, 3)))

    class Scalar:
        def log_likelihood(self, theta):
            return 0.0

    with pytest.raises(ShapeError, match="one number a point"):
        Posterior(Space(PARAMETERS[:1]), Scalar()).log_prob(np.zeros((3, 1)))


@pytest.mark.parametrize(("likelihood", "prior"), [(object(), None), (Bump(0.0, 1.0), 3.0)])
def test_what_is_no_likelihood_or_prior_is_refused(likelihood, prior):
    with pytest.raises(InputError, match="method log_likelihood"):
        Posterior(Space(PARAMETERS[:1]), likelihood, prior=prior)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])  # as in a model of spectra
def test_parameters_of_other_units_than_the_emulators_are_refused(joint, wrapped):
    """Values are picked by name: 3 km / s must not be taken for 3 m / s."""

    def of(unit):
        return Space([Parameter("speed", 0.0, 3.0, unit=unit)])

    likelihood = Bump(1.0, 1.0)
    likelihood.surrogate = SimpleNamespace(space=of("m / s"))
    if wrapped:
        likelihood.surrogate = SimpleNamespace(surrogate=likelihood.surrogate)
    likelihood.names = ("speed",)
    if joint:
        likelihood = JointLikelihood({"near": likelihood})
    for unit in ("m / s", "", "m/s", "m s-1"):
        Posterior(of(unit), likelihood)
    with pytest.raises(InputError, match=r"'speed' is in 'km / s'.* but in 'm / s'"):
        Posterior(of("km / s"), likelihood)
