"""Joint priors, by function or by particles, against analytic products and quadrature."""

import numpy as np
import pytest
from scipy import stats

import equatorium as eq
from equatorium.errors import InputError, StateError
from equatorium.inference.starts import starting_points

COVARIANCE = np.array([[0.5, 0.4], [0.4, 0.6]])
DATA = stats.multivariate_normal([0.5, 0.2], 0.3 * np.eye(2))


class Data:
    def log_likelihood(self, theta):
        return DATA.logpdf(theta)


def space(prior=None):
    return eq.Parameter("a", -8, 8, prior=prior), eq.Parameter("b", -8, 8)


def joint(theta):
    return stats.multivariate_normal([0.0, 1.0], COVARIANCE).logpdf(theta)


def exact():
    """Product of the two Gaussians."""
    precision = np.linalg.inv(COVARIANCE) + np.eye(2) / 0.3
    pull = np.linalg.solve(COVARIANCE, [0.0, 1.0]) + np.array([0.5, 0.2]) / 0.3
    covariance = np.linalg.inv(precision)
    return covariance @ pull, covariance


@pytest.mark.parametrize("own", [None, stats.norm(1, 3)])
def test_a_function_replaces_the_spaces_own_prior(own):
    posterior = eq.Posterior(eq.Space(space(own)), Data(), prior=joint)
    theta = np.random.default_rng(0).normal(0, 1, (50, 2))
    expected = joint(theta) + DATA.logpdf(theta)
    np.testing.assert_allclose(posterior.log_prob(theta), expected, atol=1e-10)
    for name in ("box", "cube", "normal"):
        view = posterior.view(name)
        x = view.from_theta(theta)
        steps = 1e-5 * np.eye(2)
        slopes = np.stack(
            [(view.to_theta(x + e) - view.to_theta(x - e)) / 2e-5 for e in steps], axis=-1
        )
        jacobian = np.log(np.abs(np.linalg.det(slopes)))
        np.testing.assert_allclose(view.log_prob(x), expected + jacobian, rtol=1e-5, atol=1e-5)


def test_sampled_with_a_joint_prior():
    posterior = eq.Posterior(eq.Space(space()), Data(), prior=joint)
    sampler = eq.sampler("emcee", walkers=20, max_steps=1500, until={"rhat": 1.02, "ess": 800})
    draws = sampler.run(posterior, rng=1, progress=False)
    mean, covariance = exact()
    error = 5 * np.sqrt(np.diag(covariance) / 800)
    assert (np.abs(draws.mean - mean) < error).all()
    np.testing.assert_allclose(np.cov(draws.flat.T), covariance, atol=0.04)
    ignored = eq.Posterior(eq.Space(space()), Data())
    wrong = sampler.run(ignored, rng=1, progress=False)
    assert (np.abs(wrong.mean - mean) > error).any(), "the twin without the joint prior differs"


def banana(n=4000):
    rng = np.random.default_rng(5)
    a = rng.normal(0.0, 0.5, n)
    return np.column_stack([a, 0.2 * rng.normal(size=n) + a**2])


def test_a_mixture_of_particles_is_a_density_like_theirs():
    box = eq.Space([eq.Parameter("a", -3, 3), eq.Parameter("b", -3, 8)])
    prior = eq.ParticlePrior.of(box, banana())
    a, b = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(-3, 8, 1101), indexing="ij")
    density = np.exp(prior(np.column_stack([a.ravel(), b.ravel()])))
    assert density.sum() * 0.01**2 == pytest.approx(1.0, abs=1e-3)
    truth = stats.norm(0, 0.5).logpdf(a) + stats.norm(a**2, 0.2).logpdf(b)

    def divergence(fitted):
        difference = truth.ravel() - fitted(np.column_stack([a.ravel(), b.ravel()]))
        return float(np.exp(truth).ravel() @ difference) * 0.01**2

    single = eq.ParticlePrior.of(box, banana(), max_components=1)
    assert len(prior.weights) > 2 and divergence(prior) < 0.1 < divergence(single)
    again = prior.sample(20_000, 1)
    np.testing.assert_allclose(again.mean(axis=0), banana().mean(axis=0), atol=0.03)
    assert box.contains(again).all()
    assert prior([[9.0, 0.0]])[0] == -np.inf


def test_one_posterior_is_the_prior_of_the_next():
    """Two data sets in turn give what both at once do."""
    box = eq.Space(space())
    sampler = eq.sampler("emcee", walkers=20, max_steps=1500, until={"rhat": 1.02, "ess": 800})
    first = sampler.run(eq.Posterior(box, Data()), rng=2, progress=False)
    carried = eq.ParticlePrior.of(box, first.flat)
    second = sampler.run(eq.Posterior(box, Data(), prior=carried), rng=3, progress=False)
    np.testing.assert_allclose(second.mean, [0.5, 0.2], atol=0.06)
    np.testing.assert_allclose(np.cov(second.flat.T), 0.15 * np.eye(2), atol=0.02)


def test_files_keep_it(tmp_path):
    prior = eq.ParticlePrior.of(eq.Space(space()), banana(300))
    eq.save(tmp_path / "prior.h5", prior)
    again = eq.load(tmp_path / "prior.h5")
    points = banana(20)
    np.testing.assert_array_equal(again(points), prior(points))
    state = prior.get_state()
    with pytest.raises(StateError, match="weights"):
        eq.ParticlePrior.from_state({**state, "weights": 2 * prior.weights})


@pytest.mark.parametrize(
    ("particles", "message"),
    [
        (np.zeros((3, 2)), "do not span"),
        (np.column_stack([np.arange(9) / 9, np.arange(9) / 9]), "do not span"),
        (np.full((9, 2), 99.0), "outside"),
        (np.full((9, 2), np.nan), "finite"),
        (np.zeros((9, 3)), "columns"),
    ],
)
def test_useless_particles_are_refused(particles, message):
    with pytest.raises(Exception, match=message) as caught:
        eq.ParticlePrior.of(eq.Space(space()), particles)
    assert isinstance(caught.value, eq.errors.EquatoriumError)


@pytest.mark.parametrize("wrong", [lambda t: 0.0, lambda t: np.full(len(t), np.nan), lambda t: t])
def test_a_joint_prior_that_is_no_density_is_refused(wrong):
    posterior = eq.Posterior(eq.Space(space()), Data(), prior=wrong)
    with pytest.raises(InputError, match="joint prior"):
        posterior.log_prob(np.zeros((3, 2)))


@pytest.mark.parametrize("names", [("b", "a"), ("a", "c")])
def test_particles_of_other_parameters_are_refused(names):
    other = eq.Space([eq.Parameter(name, -8, 8) for name in names])
    prior = eq.ParticlePrior.of(other, banana(100))
    with pytest.raises(InputError, match=f"prior is over {', '.join(names)}, but .* over a, b"):
        eq.Posterior(eq.Space(space()), Data(), prior=prior)


def test_walkers_start_where_a_joint_prior_has_a_density():
    """The likeliest points are those that it rules out."""

    def upper(theta):
        return np.where(theta[:, 0] > 3.0, -np.log(80.0), -np.inf)

    posterior = eq.Posterior(eq.Space(space()), Data(), prior=upper)
    rng = np.random.default_rng(1)
    points, log_prob = starting_points(posterior, posterior.view("normal"), 4, 8, rng)
    assert np.isfinite(log_prob).all()
    assert (posterior.space.from_normal(points.reshape(-1, 2))[:, 0] > 3.0).all()
    nowhere = eq.Posterior(eq.Space(space()), Data(), prior=lambda t: np.full(len(t), -np.inf))
    with pytest.raises(InputError, match="starting points of finite log-posterior"):
        starting_points(nowhere, nowhere.view("normal"), 4, 8, rng)


def test_a_joint_prior_gives_nothing_where_the_spaces_own_is_zero():
    """As in the normal view, which never comes there."""
    box = eq.Space([eq.Parameter("a", 0, 1, prior="uniform(0.2, 0.8)"), eq.Parameter("b", -8, 8)])
    theta = np.array([[0.1, 0.0], [0.5, 0.0]])
    inside = DATA.logpdf(theta[1]) + joint(theta[1])
    for prior, expected in ((joint, [-np.inf, inside]), (lambda t: np.full(2, -np.inf), -np.inf)):
        posterior = eq.Posterior(box, Data(), prior=prior)
        np.testing.assert_allclose(posterior.log_prob(theta), expected, rtol=1e-13)
        found = posterior.log_prob_box(box.to_unit(theta)) - np.log(16.0)
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_walker_that_stood_still_is_no_spike():
    """40 of 1040 particles at one point; a component of 3 % of the width has 1000 times less."""
    box = eq.Space([eq.Parameter("a", 0, 1), eq.Parameter("b", 0, 1)])
    z = np.random.default_rng(0).normal(size=(1000, 2)) * 0.3
    stuck = np.tile([[1.5, 1.5]], (40, 1))
    prior = eq.ParticlePrior.of(box, box.from_normal(np.vstack([z, stuck])))
    whole = np.linalg.eigvalsh(np.cov(np.vstack([z, stuck]).T))
    assert np.linalg.eigvalsh(prior.covariances).min() > 0.99e-3 * whole.min()
    theta = box.from_normal(np.array([[1.5, 1.5]]))
    density = stats.norm.logpdf(1.5) * 2 + prior(theta)[0]
    highest = np.log(40 / 1040) - np.log(2 * np.pi * 1e-3) - 0.5 * np.log(whole).sum()
    assert density < highest + 0.1


def test_a_particle_on_an_edge_does_not_drag_the_others():
    box = eq.Space([eq.Parameter("a", 0, 1), eq.Parameter("b", 0, 1)])
    z = np.random.default_rng(1).normal(size=(100, 2)) * 0.3
    edge = np.vstack([box.from_normal(z), [[0.0, 0.5]]])
    prior = eq.ParticlePrior.of(box, edge, max_components=1)
    np.testing.assert_allclose(prior.means[0], (z.sum(axis=0) - [8, 0]) / 101, atol=1e-6)


ONE = {"weights": [1.0], "means": [[0.0, 0.0]], "covariances": [np.eye(2)]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"means": [[np.nan, 0.0]]}, "means.* must be finite"),
        ({"covariances": [-np.eye(2)]}, "positive definite"),
        ({"covariances": [[[1.0, 0.5], [0.0, 1.0]]]}, "symmetric"),
        ({"weights": [np.nan]}, "weights"),
        ({"weights": [1.1]}, "weights"),
        ({k: np.repeat(v, 2, axis=0) for k, v in ONE.items()} | {"weights": [1.0, 0.0]}, "weights"),
        ({"means": [[0.0]]}, "shape"),
    ],
)
def test_what_is_no_mixture_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        eq.ParticlePrior(eq.Space(space()), **{**ONE, **changed})


def test_weights_that_nearly_sum_to_one_are_shares():
    prior = eq.ParticlePrior(eq.Space(space()), **{**ONE, "weights": [1.000009]})
    assert prior.weights.tolist() == [1.0] and prior.sample(3, 0).shape == (3, 2)
