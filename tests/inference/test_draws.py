"""Draws: numbers against numpy, text that tells the truth, and other people's formats."""

import numpy as np
import pytest
from scipy import stats

from equatorium.errors import InputError, PluginLoadError, ShapeError, StateError, UnknownNameError
from equatorium.inference.draws import Draws
from equatorium.plots import corner, trace
from equatorium.records.space import Parameter, Space
from equatorium.storage import load, save

SPACE = Space([Parameter("mass", 0, 10, unit="kg"), Parameter("rate", 0.01, 1.0, "log")])


def make(shift=0.0, **options):
    rng = np.random.default_rng(0)
    samples = np.stack(
        [
            np.clip(5 + 0.5 * rng.standard_normal((4, 200, 16)), 0, 10),
            10 ** rng.uniform(-1.5, -0.5, (4, 200, 16)),
        ],
        axis=-1,
    )
    samples[0, ..., 0] += shift
    log_prob = rng.standard_normal((4, 200, 16))
    options.setdefault("space", SPACE)
    return Draws(("mass", "rate"), samples, log_prob, **options)


def test_moments_and_quantiles():
    draws = make()
    flat = draws.samples.reshape(-1, 2)
    assert np.array_equal(draws.flat, flat)
    assert draws.mean == pytest.approx(flat.mean(axis=0))
    assert draws.std == pytest.approx(flat.std(axis=0))
    assert draws.quantile(0.5) == pytest.approx(np.median(flat, axis=0))
    assert draws.quantile([0.1, 0.9]).shape == (2, 2)
    assert np.array_equal(draws["rate"], flat[:, 1])


def test_shrinkage_is_measured_in_the_scaled_coordinate():
    """mass: 0.5 of a uniform's 10/sqrt(12); rate: a uniform log over half of the range."""
    assert make().shrinkage == pytest.approx([0.5 / (10 / np.sqrt(12)), 0.5], rel=0.03)
    curved = Space([Parameter("a", -9, 9, prior=stats.norm(0, 2))])
    x = np.random.default_rng(1).standard_normal((4, 100, 16, 1))
    assert Draws(("a",), x, x[..., 0], curved).shrinkage == pytest.approx([0.5], rel=0.03)
    with pytest.raises(InputError, match="no prior"):
        _ = make(space=None).shrinkage


def test_thinned_draws_are_distinct_and_reproducible():
    draws = make()
    chosen = draws.thinned(100)
    assert chosen.shape == (100, 2)
    assert len(np.unique(chosen, axis=0)) == 100
    assert np.array_equal(chosen, draws.thinned(100))
    assert draws.thinned(10**9).shape == draws.flat.shape
    for wrong in (0, -3, 2.5, True, "10"):
        with pytest.raises(InputError, match="positive whole number of draws"):
            draws.thinned(wrong)


def test_summary_of_converged_draws():
    text = make().summary()
    lines = text.splitlines()
    assert lines[0] == "4 ensembles x 200 stored steps x 16 walkers after burn-in"
    for word in ("mean", "sd", "5 %", "50 %", "95 %", "sd/prior", "ess_bulk", "ess_tail", "rhat"):
        assert word in lines[1]
    assert lines[2].split()[0] == "mass"
    assert len({len(line) for line in lines[1:4]}) == 1  # aligned
    assert lines[-1] == "Converged."


def words(figure):
    """All text of the figure itself, and of its legends."""
    titles = [legend.get_title() for legend in figure.legends]
    return " ".join(text.get_text() for text in [*figure.texts, *titles])


def test_what_is_not_converged_says_so_everywhere():
    draws = make(shift=1.0)
    assert not draws.converged
    assert "NOT CONVERGED" in draws.summary()
    assert "R-hat of mass" in draws.summary()
    assert draws.get_state()["convergence"]["converged"] is False
    attributes = draws.to_arviz()["posterior"].attrs
    assert attributes["converged"] == 0
    assert "R-hat of mass" in attributes["reasons"]
    for figure in (corner(draws), trace(draws)):
        assert "NOT CONVERGED" in words(figure)
    for figure in (corner(make()), trace(make())):
        assert "NOT CONVERGED" not in words(figure)
    assert draws.rhat["mass"] > 1.01 > draws.rhat["rate"]


def test_criteria_come_from_meta():
    assert make().converged
    assert not make(meta={"until": {"ess": 1e7}}).converged


def test_nan_likelihoods_are_reported():
    text = make(meta={"n_nan": 3, "first_nan": [1.0, 0.5]}).summary()
    assert "3 NaN likelihoods" in text
    assert "'rate': 0.5" in text


def test_what_was_done_against_the_rules_is_reported():
    text = make(meta={"override": "a quick look", "emulator_covariance": False}).summary()
    assert "accepted: a quick look" in text
    assert "left out of the likelihood" in text


def test_arviz_sees_the_same_draws():
    import arviz_stats

    draws = make()
    tree = draws.to_arviz()
    assert set(tree.children) == {"posterior", "sample_stats"}
    assert tree["posterior"]["mass"].shape == (64, 200)
    assert np.array_equal(tree["posterior"]["rate"][17], draws.samples[1, :, 1, 1])
    assert np.array_equal(tree["sample_stats"]["lp"][17], draws.log_prob[1, :, 1])
    ids = np.repeat(np.arange(4), 16)
    rhat = arviz_stats.rhat_nested(tree, superchain_ids=ids)
    assert float(rhat["mass"]) == pytest.approx(draws.rhat["mass"], rel=1e-9)
    assert float(arviz_stats.ess(tree)["rate"]) == pytest.approx(
        draws.convergence.ess_bulk[1], rel=1e-6
    )


def test_arviz_gets_the_data_too(tools):
    """Densities in closed form, and arviz can do its leave-one-out with what it is handed."""
    import arviz_stats

    problem = tools.build(q=20)
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(problem.mean, problem.covariance, (4, 100, 8))
    draws = Draws(problem.space.names, x, np.zeros(x.shape[:3]), problem.space)
    tree = draws.to_arviz(problem.likelihood, rng=1)
    groups = {"log_likelihood", "observed_data", "posterior_predictive"}
    assert groups < set(tree.children)
    observed = problem.likelihood.observation
    assert np.array_equal(tree["observed_data"]["data"], observed.values)
    assert tree["log_likelihood"]["data"].dims == ("chain", "draw", "datum")
    assert tree["log_likelihood"]["datum"].values.tolist() == list(observed.names)
    # The data are independent: each has its own normal density.
    mean, sd = problem.A @ x[2, 31, 5], np.sqrt(problem.S[0, 0])
    exact = stats.norm(mean, sd).logpdf(observed.values)
    assert tree["log_likelihood"]["data"][2 * 8 + 5, 31].values == pytest.approx(exact)
    replicated = tree["posterior_predictive"]["data"].values.reshape(-1, 20)
    assert replicated.mean(axis=0) == pytest.approx(problem.A @ problem.mean, abs=0.1)
    assert arviz_stats.loo(tree).elpd < 0
    with pytest.raises(InputError, match="draws are of mass, rate"):
        make().to_arviz(problem.likelihood)


def test_corner_takes_the_draws_directly():
    import corner
    from matplotlib.figure import Figure

    draws = make()
    figure = corner.corner(draws.flat, labels=list(draws.names), fig=Figure())
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == ["mass", "rate"]


def test_getdist_sees_the_same_draws():
    pytest.importorskip("getdist")
    draws = make(shift=1.0)
    samples = draws.to_getdist()
    assert samples.getParamNames().list() == ["mass", "rate"]
    assert samples.getMeans() == pytest.approx(draws.mean)
    assert np.sqrt(np.diag(samples.cov())) == pytest.approx(draws.std, rel=1e-3)
    assert len(samples.getSeparateChains()) == 4
    assert (samples.ranges.getLower("rate"), samples.ranges.getUpper("mass")) == (0.01, 10)
    assert samples.loglikes.min() == pytest.approx(-draws.log_prob.max())
    assert samples.getLabel() == "NOT CONVERGED"


def test_without_getdist_the_remedy_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "getdist", None)
    with pytest.raises(PluginLoadError, match=r"pip install equatorium\[getdist\]"):
        make().to_getdist()


def test_pandas_sees_the_same_draws():
    draws = make(shift=1.0)
    frame = draws.to_pandas()
    assert list(frame.columns) == ["mass", "rate", "log_prob"]
    assert frame.loc[(2, 7, 3), "rate"] == draws.samples[2, 7, 3, 1]
    assert frame["mass"].groupby("ensemble").mean()[0] == pytest.approx(
        draws.samples[0, ..., 0].mean()
    )
    assert frame.attrs["converged"] is False
    assert any("R-hat of mass" in reason for reason in frame.attrs["reasons"])


def test_table():
    table = make().to_table()
    assert table.meta["converged"] is True
    assert table.colnames == ["mass", "rate", "log_prob"]
    assert str(table["mass"].unit) == "kg"
    assert len(table) == 4 * 200 * 16


def test_file_keeps_everything(tmp_path):
    draws = make(meta={"thin": 2, "until": {"rhat": 1.05}, "n_nan": 0})
    save(tmp_path / "draws.h5", draws)
    again = load(tmp_path / "draws.h5")
    assert again == draws
    assert again.rhat == draws.rhat
    assert again.summary() == draws.summary()


def test_evidence_is_not_computed_anew_from_a_file():
    state = make().get_state()
    state["convergence"]["rhat"] = np.array([7.0, 7.0])
    assert Draws.from_state(state).rhat == {"mass": 7.0, "rate": 7.0}


def test_bad_input():
    x, lp = np.zeros((4, 10, 8, 1)), np.zeros((4, 10, 8))
    with pytest.raises(ShapeError, match=r"\(ensemble, step, walker, 2\)"):
        Draws(("a", "b"), x, lp)
    with pytest.raises(ShapeError, match="log_prob"):
        Draws(("a",), x, lp[0])
    with pytest.raises(InputError, match="finite"):
        Draws(("a",), x, lp - np.inf)
    with pytest.raises(InputError, match="'a' occurs more than once"):
        Draws(("a", "a"), np.zeros((4, 9, 8, 2)), np.zeros((4, 9, 8)))
    with pytest.raises(InputError, match="mass, rate"):
        Draws(("a",), x, lp, SPACE)
    with pytest.raises(UnknownNameError, match="Did you mean 'mass'"):
        _ = make()["mas"]
    with pytest.raises(StateError, match="samples"):
        Draws.from_state({})
    with pytest.raises(StateError, match="not valid"):
        Draws.from_state({**make().get_state(), "samples": np.zeros(3)})


def test_draws_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        make().samples[0] = 0


def test_what_is_derived_is_reported():
    draws = make(space=Space(SPACE.parameters, {"burnt": "mass * rate", "k": 2.0, "m2": "mass"}))
    expected = draws.samples.prod(axis=-1)
    assert list(draws.derived) == ["burnt"] and make().derived == {}
    np.testing.assert_allclose(draws.derived["burnt"], expected)
    row = next(line.split() for line in draws.summary().splitlines() if "burnt" in line)
    low, median, high = np.quantile(expected, [0.05, 0.5, 0.95])
    numbers = [expected.mean(), expected.std(), low, median, high]
    assert row == ["burnt", *(f"{v:.4g}" for v in numbers)]
    found = draws.to_arviz()["posterior"]["burnt"].to_numpy()
    np.testing.assert_allclose(found[17], expected[1, :, 1])
