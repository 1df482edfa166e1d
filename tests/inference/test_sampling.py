"""emcee against closed forms; interrupted runs against uninterrupted ones, bit for bit."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError, NotConvergedWarning, StateError
from equatorium.history.region import Region
from equatorium.inference.posterior import Posterior
from equatorium.inference.sampling import Emcee
from equatorium.records.space import Parameter, Space
from equatorium.registry import create

FEW = {"walkers": 16, "until": {}, "max_steps": 100}


class Quick:
    """Correlated normal in theta, evaluated without a surrogate; may fail or stop on the way."""

    def __init__(self, d=3, error=None, after=None, bad=None):
        self.precision = np.linalg.inv(0.25 * np.eye(d) + 0.15)
        self.error, self.after, self.bad = error, after, bad
        self.calls = 0

    def log_likelihood(self, theta):
        self.calls += 1
        if self.after is not None and self.calls > self.after:
            raise self.error
        result = -0.5 * np.einsum("mi,ij,mj->m", theta, self.precision, theta)
        if self.bad is not None:
            result[self.bad(theta)] = np.nan
        return result


SPACE = Space([Parameter(f"x{j}", -4, 4) for j in range(3)])


def quick(**options):
    return Posterior(SPACE, Quick(**options))


def run(posterior, sampler=None, **options):
    """Short chains do not converge, which is not what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        sampler = Emcee(**FEW) if sampler is None else sampler
        return sampler.run(posterior, **{"rng": 5, "progress": False, **options})


def same(a, b):
    assert np.array_equal(a.samples, b.samples)
    assert np.array_equal(a.log_prob, b.log_prob)


# -- right answers -------------------------------------------------------------------------


def agrees(draws, mean, covariance, factor=4.5):
    """Mean and covariance within their Monte-Carlo errors."""
    ess = np.array(list(draws.ess.values()))
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean - mean) < factor * sd / np.sqrt(ess)).all()
    error = np.sqrt((np.outer(sd**2, sd**2) + covariance**2) / (ess.min() / 2))
    assert (np.abs(np.cov(draws.flat.T) - covariance) < factor * error).all()


def test_linear_gaussian_posterior_in_closed_form(problem):
    rng = np.random.default_rng(0)
    wide = rng.multivariate_normal(problem.mean, 2 * problem.covariance, 400)
    draws = Emcee(walkers=16, first_check=200).run(
        problem.posterior, rng=1, starts=wide, progress=False
    )
    assert draws.converged
    assert min(draws.ess.values()) >= 400
    agrees(draws, problem.mean, problem.covariance)
    # and the comparison can fail
    with pytest.raises(AssertionError):
        agrees(draws, problem.mean + 0.3 * np.sqrt(np.diag(problem.covariance)), problem.covariance)
    with pytest.raises(AssertionError):
        agrees(draws, problem.mean, 0.64 * problem.covariance)
    # log_prob is the density in physical theta
    lp = problem.posterior.log_prob(draws.samples[0, -1])
    assert draws.log_prob[0, -1] == pytest.approx(lp, rel=1e-9)


def test_uniform_box_cuts_the_posterior(tools):
    """Moments from a grid; the box of [-1, 1]^2 cuts off a good part of the likelihood."""
    problem = tools.build(d=2, q=2, edge=1.0, error=1.0)
    grid = np.linspace(-1, 1, 201)
    theta = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    normal = stats.multivariate_normal(problem.likelihood.observation.values, problem.S)
    edge = np.where(np.abs(grid) == 1, 0.5, 1.0)
    weight = normal.pdf(theta @ problem.A.T) * np.outer(edge, edge).ravel()
    mean = np.average(theta, axis=0, weights=weight)
    covariance = np.cov(theta.T, aweights=weight, ddof=0)
    draws = Emcee(walkers=16, first_check=200).run(problem.posterior, rng=1, progress=False)
    assert draws.converged
    assert np.abs(draws.flat).max() <= 1
    agrees(draws, mean, covariance)


def test_no_draw_is_outside_the_region():
    left = SimpleNamespace(
        level=lambda theta: 1 + theta[:, 0],  # only x0 <= 0 is left
        surrogate=SimpleNamespace(space=SPACE),
    )
    draws = run(Posterior(SPACE, Quick(), Region(SPACE, (left,))))
    assert draws["x0"].max() <= 0
    assert draws["x0"].min() < -0.5


def test_starts_are_used():
    starts = np.random.default_rng(1).normal(2.0, 0.01, (400, 3))
    posterior = quick()
    seen = []
    inner = posterior.likelihood.log_likelihood
    posterior.likelihood.log_likelihood = lambda theta: (seen.append(theta.copy()), inner(theta))[1]
    run(posterior, starts=starts)
    assert np.abs(seen[0] - 2.0).max() < 0.1


# -- convergence ---------------------------------------------------------------------------


def test_a_run_that_did_not_converge_says_so():
    with pytest.warns(NotConvergedWarning, match="not converged"):
        draws = Emcee(walkers=16, max_steps=40).run(quick(), rng=1, progress=False)
    assert not draws.converged
    assert "NOT CONVERGED" in draws.summary()


def test_two_modes_that_are_never_left_do_not_converge():
    """Each ensemble keeps the mode it started in: what a single ensemble would never show."""

    class Modes:
        def log_likelihood(self, theta):
            return np.logaddexp(
                *(-0.5 * np.sum(((theta - c) / 0.05) ** 2, axis=1) for c in (-3.0, 3.0))
            )

    rng = np.random.default_rng(0)
    starts = np.concatenate([rng.normal(c, 0.05, (300, 3)) for c in (-3.0, 3.0)])
    draws = run(
        Posterior(SPACE, Modes()), Emcee(walkers=16, max_steps=300, first_check=300), starts=starts
    )
    assert not draws.converged
    assert max(draws.rhat.values()) > 1.2


def test_it_stops_when_the_criteria_are_met():
    easy = Emcee(walkers=32, first_check=200, max_steps=5000).run(quick(), rng=1, progress=False)
    assert easy.converged
    assert easy.meta["steps"] < 5000
    assert easy.meta["discarded"] == easy.meta["steps"] // 2
    assert 0.1 < easy.meta["acceptance"] < 0.6


# -- interruption --------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("node lost")])
@pytest.mark.parametrize("after", [12, 150])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, error, after, capsys):
    whole = run(quick())
    store = tmp_path / "chains.h5"
    with pytest.raises(type(error)):
        run(quick(error=error, after=after), store=store)
    # emcee prints all walkers when a likelihood raises; ours does not.
    assert capsys.readouterr().out == ""
    kept = [h5py.File(store)[f"ensemble-{k}"].attrs["iteration"] for k in range(4)]
    assert len(set(kept)) == 1
    assert (kept[0] > 25) == (after > 12)
    assert kept[0] < 100
    posterior = quick()
    same(run(posterior, store=store, rng=99), whole)
    assert posterior.likelihood.calls < 320 - after


def test_thinned_chains_resume_too(tmp_path):
    sampler = Emcee(walkers=16, until={}, max_steps=100, thin=3)
    whole = run(quick(), sampler)
    assert whole.samples.shape[1] == 17
    with pytest.raises(KeyboardInterrupt):
        run(quick(error=KeyboardInterrupt(), after=100), sampler, store=tmp_path / "c.h5")
    same(run(quick(), sampler, store=tmp_path / "c.h5"), whole)


def test_a_finished_run_is_read_back_and_can_be_made_longer(tmp_path):
    store = tmp_path / "c.h5"
    first = run(quick(), store=store)
    posterior = quick()
    same(run(posterior, store=store), first)
    assert posterior.likelihood.calls == 1  # only the comparison of the stored walkers
    longer = Emcee(walkers=16, until={}, max_steps=150)
    same(run(quick(), longer, store=store), run(quick(), longer))


def test_resumption_stops_where_the_uninterrupted_run_does(tmp_path):
    sampler = Emcee(walkers=32, first_check=100)
    whole = run(quick(), sampler)
    assert whole.converged
    with pytest.raises(KeyboardInterrupt):
        run(quick(error=KeyboardInterrupt(), after=230), sampler, store=tmp_path / "c.h5")
    same(run(quick(), sampler, store=tmp_path / "c.h5"), whole)


SCRIPT = """
import sys, time
sys.path.insert(0, {folder!r})
import test_sampling as t
posterior = t.quick()
inner = posterior.likelihood.log_likelihood
posterior.likelihood.log_likelihood = lambda theta: (time.sleep(0.02), inner(theta))[1]
t.run(posterior, t.Emcee(**t.FEW, checkpoint_every=0.0), store={store!r})
"""


def test_a_killed_run_loses_only_its_tail(tmp_path):
    store = tmp_path / "chains.h5"
    script = SCRIPT.format(folder=str(Path(__file__).parent), store=str(store))
    process = subprocess.Popen([sys.executable, "-c", script])
    try:
        deadline = time.monotonic() + 60
        kept = 0
        while kept < 20 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            if store.exists():
                with h5py.File(store, "r", locking=False) as file:
                    kept = int(file["ensemble-0"].attrs["iteration"])
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert 20 <= kept < 100
    same(run(quick(), store=store), run(quick()))


def test_resume_false_begins_anew(tmp_path):
    store = tmp_path / "c.h5"
    first = run(quick(), store=store)
    second = run(quick(), store=store, resume=False, rng=6)
    assert not np.array_equal(first.samples, second.samples)
    same(run(quick(), store=store), second)


def test_chains_of_another_posterior_are_refused(tmp_path):
    store = tmp_path / "c.h5"
    run(quick(), store=store)
    content = store.read_bytes()
    other = quick()
    other.likelihood.precision = 2 * other.likelihood.precision
    named = Posterior(SPACE, Quick(), identity="another study")
    renamed = Posterior(Space([Parameter(f"y{j}", -4, 4) for j in range(3)]), Quick())
    for posterior, word in [
        (other, "another posterior"),
        (named, "posterior"),
        (renamed, "names"),
    ]:
        with pytest.raises(StateError, match=word):
            run(posterior, store=store)
    with pytest.raises(StateError, match="walkers"):
        run(quick(), Emcee(walkers=18, until={}, max_steps=100), store=store)
    assert store.read_bytes() == content


def test_emcee_reads_the_store(tmp_path):
    import emcee

    draws = run(quick(), store=tmp_path / "c.h5")
    backend = emcee.backends.HDFBackend(tmp_path / "c.h5", name="ensemble-2", read_only=True)
    z = backend.get_chain(discard=50)
    assert SPACE.from_normal(z.reshape(-1, 3)) == pytest.approx(draws.samples[2].reshape(-1, 3))


# -- bad input -----------------------------------------------------------------------------


def test_nan_likelihoods_are_counted_and_do_no_harm():
    draws = run(quick(bad=lambda theta: theta[:, 0] > 0.5))
    assert draws["x0"].max() <= 0.5
    assert draws.meta["n_nan"] > 0
    assert draws.meta["first_nan"][0] > 0.5
    assert "NaN likelihoods" in draws.summary()


def test_a_likelihood_that_is_always_nan_is_a_clear_error():
    with pytest.raises(InputError, match="NaN, the first at"):
        run(quick(bad=lambda theta: theta[:, 0] > -99))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"walkers": 15}, "even"),
        ({"walkers": 4}, "walkers must be a whole number of at least 8"),
        ({"ensembles": 2}, "ensembles must be a whole number of at least 4"),
        ({"max_steps": 3}, "max_steps"),
        ({"thin": 0}, "thin"),
        ({"walkers": 64.0}, "walkers"),
        ({"until": {"rhats": 1.01}}, "Did you mean 'rhat'"),
    ],
)
def test_settings_that_cannot_be_used(options, word):
    with pytest.raises(InputError, match=word):
        run(quick(), Emcee(**options))


def test_a_folder_that_is_missing_is_known_before_the_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run(quick(), store=tmp_path / "nowhere" / "c.h5")


def test_numpys_global_generator_is_neither_used_nor_changed():
    np.random.seed(0)  # noqa: NPY002
    first = run(quick())
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    same(run(quick()), first)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert not np.array_equal(run(quick(), rng=6).samples, first.samples)


def test_progress_shows_steps_and_evidence(capsys):
    run(quick(), progress=True)
    shown = capsys.readouterr().err
    assert "100/100" in shown
    assert "rhat=" in shown
    assert "ess=" in shown


def test_it_is_registered():
    from equatorium import registry

    sampler = registry.create("sampler", "emcee", walkers=32)
    assert isinstance(sampler, Emcee)
    assert sampler.get_params()["walkers"] == 32


# -- where draws come from -----------------------------------------------------------------


def test_a_file_tells_how_to_make_the_draws_again(tmp_path, problem):
    from equatorium.storage import load, save

    rng = np.random.default_rng(17)
    problem.posterior.identity = "my study"
    draws = run(problem.posterior, rng=rng, store=tmp_path / "chain.h5")
    save(tmp_path / "draws.h5", draws)
    told = load(tmp_path / "draws.h5").meta["provenance"]
    assert told["sampler"]["use"] == "equatorium/emcee"
    assert told["posterior"] == {"identity": "my study", "parameters": ["x0", "x1", "x2"]}
    assert told["likelihood"] == "GaussianLikelihood"
    assert told["emulator"] == {"class": "Linear"}
    assert told["versions"]["numpy"] == np.__version__
    with h5py.File(tmp_path / "draws.h5") as file:
        assert len(file.attrs["created"]) == len(b"2026-01-01T00:00:00+00:00")
    # By what it tells, and nothing else.
    again = run(
        problem.posterior,
        create("sampler", told["sampler"]["use"], **told["sampler"]["options"]),
        rng=np.random.default_rng(np.random.SeedSequence(**told["seed"])),
    )
    same(again, draws)
    # A resumed run keeps the seed that its chains began with.
    resumed = run(problem.posterior, rng=99, store=tmp_path / "chain.h5")
    assert resumed.meta == draws.meta
