"""Evidence of convergence: against formulas and processes whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError, StateError
from equatorium.inference.convergence import Convergence, assess, autocorrelation_time, limits


def autoregressive(rho, shape, seed=0):
    """AR(1) along axis 1 of (ensemble, step, walker, d), stationary, unit variance."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


def nested_rhat(x):
    """Margossian et al. 2024, eq. 6 to 8, on rank-normalised half-chains, and folded ones."""
    n = x.shape[1] // 2
    halves = np.concatenate([x[:, :n], x[:, -n:]], axis=2)  # (ensemble, step, 2 walkers)

    def plain(y):
        z = stats.norm.ppf((stats.rankdata(y).reshape(y.shape) - 0.375) / (y.size + 0.25))
        within = z.var(axis=1, ddof=1).mean(axis=1) + z.mean(axis=1).var(axis=1, ddof=1)
        return np.sqrt(1 + z.mean(axis=(1, 2)).var(ddof=1) / within.mean())

    return max(plain(halves), plain(np.abs(halves - np.median(halves))))


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_nested_rhat_is_the_published_formula(shift):
    x = autoregressive(0.5, (4, 200, 8, 2), seed=5)
    x[1] += shift
    ours = assess(x, ("a", "b")).rhat
    # 200 steps are not thinned, so that the formula sees the same numbers.
    assert ours == pytest.approx([nested_rhat(x[..., 0]), nested_rhat(x[..., 1])], rel=1e-10)


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
def test_autocorrelation_time_of_an_autoregressive_process(rho):
    x = autoregressive(rho, (1, 1200, 64, 2), seed=1)[0]
    exact = (1 + rho) / (1 - rho)
    assert autocorrelation_time(x) == pytest.approx([exact, exact], rel=0.1)


def test_chains_shorter_than_their_memory_do_not_look_fast():
    import emcee

    x = autoregressive(0.99, (1, 100, 128, 1), seed=2)[0]
    own_means = emcee.autocorr.integrated_time(x, quiet=True, tol=0)[0]
    assert own_means < 40 < autocorrelation_time(x)[0]


def test_independent_draws_are_converged_and_counted():
    x = np.random.default_rng(3).standard_normal((4, 200, 16, 3))
    evidence = assess(x, ("a", "b", "c"))
    assert evidence.converged
    assert evidence.reasons == ()
    total = 4 * 200 * 16
    assert evidence.ess_bulk == pytest.approx([total] * 3, rel=0.1)
    assert evidence.tau == pytest.approx([1] * 3, rel=0.1)


def test_effective_size_of_correlated_draws():
    x = autoregressive(0.8, (4, 250, 32, 1), seed=4)
    exact = x.size * (1 - 0.8) / (1 + 0.8)
    assert assess(x, ("a",)).ess_bulk[0] == pytest.approx(exact, rel=0.15)


def test_ensembles_that_have_not_met_are_named():
    x = np.random.default_rng(0).standard_normal((4, 200, 16, 2))
    x[2, ..., 1] += 1.0
    evidence = assess(x, ("a", "b"))
    assert not evidence.converged
    assert any("R-hat of b" in reason for reason in evidence.reasons)


def test_a_drift_that_all_ensembles_share_is_seen():
    """Nested R-hat is blind to it; the effective size and the autocorrelation time are not."""
    x = np.random.default_rng(0).standard_normal((4, 240, 16, 1))
    x += np.linspace(0, 3, 240)[:, None, None]
    evidence = assess(x, ("a",))
    assert evidence.rhat[0] < 1.01
    assert not evidence.converged
    assert any("autocorrelation" in reason for reason in evidence.reasons)
    assert any("ESS of a" in reason for reason in evidence.reasons)


def test_short_chains_are_not_believed():
    evidence = assess(autoregressive(0.98, (4, 240, 64, 1), seed=6), ("a",))
    assert any("kept steps are less than 5 " in reason for reason in evidence.reasons)


def test_steps_are_counted_in_steps_whatever_the_thinning():
    x = autoregressive(0.9, (4, 3000, 16, 1), seed=7)
    exact = 1.9 / 0.1
    assert assess(x, ("a",)).tau[0] == pytest.approx(exact, rel=0.2)
    assert assess(x[:, ::5], ("a",), thin=5).tau[0] == pytest.approx(exact, rel=0.2)


def test_a_stuck_parameter_never_converges():
    x = np.random.default_rng(0).standard_normal((4, 100, 8, 2))
    x[..., 1] = 3.0
    evidence = assess(x, ("free", "stuck"))
    assert evidence.rhat[1] == np.inf
    assert evidence.ess_bulk[1] == 0
    assert any("stuck" in reason for reason in evidence.reasons)


def test_units_do_not_matter():
    """arviz takes a spread below 1e-15 for a constant; a mass in 1e40 g or 1e-20 is fine here."""
    x = np.random.default_rng(1).standard_normal((4, 100, 8, 1))
    plain, tiny = assess(x, ("a",)), assess(x * 1e-20, ("a",))
    assert tiny.ess_bulk == pytest.approx(plain.ess_bulk, rel=1e-6)
    assert tiny.rhat == pytest.approx(plain.rhat, rel=1e-9)


def test_too_few_steps_to_say_anything():
    evidence = assess(np.random.default_rng(1).standard_normal((4, 4, 8, 1)), ("a",))
    assert not evidence.converged


def test_three_ensembles_are_too_few():
    x = np.random.default_rng(3).standard_normal((4, 200, 16, 1))
    assert assess(x, ("a",)).converged
    assert assess(x[:3], ("a",)).reasons == ("4 ensembles are asked for, but there are 3",)
    assert not assess(x[:1], ("a",)).converged


def test_thresholds():
    assert limits(None) == {"rhat": 1.01, "ess": 400.0}
    assert limits({}) == {}
    x = np.random.default_rng(3).standard_normal((4, 200, 16, 1))
    assert not assess(x, ("a",), until={"ess": 1e6}).converged
    for wrong, word in [({"rhat": 1.0}, "above 1"), ({"ess": -1}, "above 0"), ({"rha": 2}, "rhat")]:
        with pytest.raises(InputError, match=word):
            limits(wrong)


def test_evidence_survives_its_state():
    evidence = assess(np.random.default_rng(1).standard_normal((4, 50, 8, 2)), ("a", "b"))
    again = Convergence.from_state(evidence.get_state())
    assert np.array_equal(again.rhat, evidence.rhat)
    assert again.reasons == evidence.reasons
    assert evidence.get_state()["converged"] == evidence.converged
    with pytest.raises(StateError, match="rhat"):
        Convergence.from_state({})
