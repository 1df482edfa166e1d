"""What the README and the examples say works as it is written."""

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import make_interp_spline

import equatorium as eq
from equatorium.errors import NotConvergedWarning
from equatorium.study.plan import read_plan

ROOT = Path(__file__).parents[1]


def run(path, folder, *words):
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(path), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": "agg"},
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def example_in(page):
    text = (ROOT / page).read_text()
    return re.search(r"<!-- example -->\s*```python\n(.*?)```", text, re.S).group(1)


def test_the_readme_example_runs(tmp_path):
    code = example_in("README.md")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "example.py").write_text(code)
    out = run(tmp_path / "example.py", tmp_path)
    assert "Posterior" in out and "r_w" in out
    assert (tmp_path / "borehole.png").stat().st_size > 10_000
    assert (tmp_path / "borehole.h5").exists()


def test_a_table_of_runs_needs_fifteen_lines(tmp_path):
    path = ROOT / "examples" / "my_table" / "fit_table.py"
    body = path.read_text().split('"""', 2)[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15
    out = run(path, tmp_path)
    assert "alpha_hot" in out and "Error budget" in out
    assert (tmp_path / "results/my_table/predictive.png").exists()


def test_the_calibration_script_says_what_the_toml_says(tmp_path, monkeypatch):
    folder = ROOT / "examples" / "galaxy_formation"
    plan = read_plan(folder / "study.toml")
    asked, checks = {}, []
    monkeypatch.setattr(eq.Study, "check", lambda self, name: checks.append(name))
    monkeypatch.setattr(eq.Study, "history_match", lambda self, waves: asked.update(waves=waves))
    monkeypatch.setattr(eq.Study, "sample", lambda self, name, **o: asked.update(sampler=(name, o)))
    monkeypatch.setattr(eq.Study, "summary", lambda self: asked.update(study=self))
    monkeypatch.setattr(eq.Study, "write_report", lambda self, folder: asked.update(report=folder))
    exec((folder / "calibrate.py").read_text(), {"__name__": "__main__"})
    scripted, written = asked["study"].problem, plan.study.problem
    assert scripted.source.identity() == written.source.identity()
    assert scripted.observation == written.observation
    assert scripted.discrepancy == written.discrepancy
    assert asked["study"].steps.path == plan.study.steps.path
    assert Path(asked["report"]) == plan.report
    assert tuple(checks) == plan.checks
    assert tuple(asked["waves"]) == tuple(
        tomllib.loads((folder / "study.toml").read_text())["wave"]
    )
    assert asked["sampler"] == (plan.sampler["use"], plan.sampler["options"])


def test_a_line_with_outliers_is_found(tmp_path):
    out = run(ROOT / "examples" / "line_with_outliers" / "line.py", tmp_path)
    assert "Converged." in out and "points 2, 3, 4\n" in out
    slope = float(re.search(r"slope: ([\d.]+)", out).group(1))
    assert slope == pytest.approx(2.24, abs=0.05)  # Hogg, Bovy & Lang 2010, by the good points
    assert (tmp_path / "line.png").stat().st_size > 10_000
    assert (tmp_path / "corner.png").exists()


def test_local_lines_are_better_at_the_edges_than_means(tmp_path):
    out = run(ROOT / "examples" / "local_regression" / "three_ways.py", tmp_path)
    error = {name: float(e) for name, e in re.findall(r"([\w-]+): rms error ([\d.]+)", out)}
    assert error["local-linear"] < error["kernel"] < error["knn"] < 0.04
    assert (tmp_path / "local_regression.png").stat().st_size > 10_000


def test_a_prior_tames_basis_functions_and_lasso_drops_coefficients(tmp_path):
    out = run(ROOT / "examples" / "basis_functions" / "shrinkage.py", tmp_path)
    wild, tame = map(float, re.findall(r"rms error ([\d.]+)", out))
    assert tame < 0.25 < wild
    ridge, lasso = map(int, re.findall(r"(\d) coefficients left", out))
    assert ridge == 8 and 3 <= lasso < 8
    assert (tmp_path / "shrinkage.png").stat().st_size > 10_000


def test_errors_in_x_flatten_least_squares_alone(tmp_path):
    out = run(ROOT / "examples" / "errors_in_variables" / "tully_fisher.py", tmp_path)
    slope = {name: float(s) for name, s in re.findall(r"(.+): slope (-[\d.]+)", out)}
    assert slope["least squares, y on x"] > -6
    up, down = map(float, re.search(r"LinMix: .* \+([\d.]+) -([\d.]+)", out).groups())
    assert slope["LinMix"] - 2 * down < -8 < slope["LinMix"] + 2 * up
    assert (tmp_path / "tully_fisher.png").stat().st_size > 10_000


def test_kinds_of_variable_stars_are_told_apart(tmp_path):
    out = run(ROOT / "examples" / "classes" / "variable_stars.py", tmp_path, "500")
    balanced = {name: float(s) for name, s in re.findall(r"(?m)^(\S.*?)  +([\d.]+) ", out)}
    assert balanced["mean"] == 0.2 and balanced["forest, kinds alike"] > 0.75
    assert (tmp_path / "variable_stars.png").stat().st_size > 10_000


def test_robust_lines_are_nearer_to_the_good_points(tmp_path):
    out = run(ROOT / "examples" / "robust_lines" / "robust.py", tmp_path)
    slopes = [float(slope) for slope in re.findall(r"slope ([\d.]+)", out)]
    assert slopes == sorted(slopes) and slopes[0] == pytest.approx(1.08, abs=0.01)
    assert slopes[-1] == pytest.approx(2.24, abs=0.11)  # Hogg, Bovy & Lang 2010
    assert (tmp_path / "robust_lines.png").stat().st_size > 10_000


PLANET = ROOT / "examples" / "radial_velocity" / "planet.py"


def test_the_planet_script_runs_on_generated_data(tmp_path, monkeypatch, capsys):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(PLANET.parent)
    emcee = eq.sampler
    monkeypatch.setattr(
        eq, "sampler", lambda name, **_: emcee(name, walkers=20, until={}, max_steps=40)
    )
    with pytest.warns(NotConvergedWarning):
        exec(PLANET.read_text(), {"__name__": "__main__"})
    assert "generated, like 51 Pegasi" in capsys.readouterr().out
    assert (tmp_path / "velocity.png").stat().st_size > 10_000


def test_keplers_equation_is_solved_at_any_eccentricity(monkeypatch):
    from scipy.optimize import brentq

    monkeypatch.syspath_prepend(PLANET.parent)
    names = {}
    exec((PLANET.parent / "orbit.py").read_text(), names)
    e = np.array([0.0, 0.1, 0.5, 0.9, 0.99])[:, None]
    M = np.concatenate([np.linspace(-np.pi, np.pi, 101), [1e-8, 1e-3, 3.1415]])
    found = names["eccentric_anomaly"](M, e)
    exact = np.vectorize(lambda m, e: brentq(lambda E: E - e * np.sin(E) - m, -4, 4, xtol=1e-14))
    near = (found - exact(M, e) + np.pi) % (2 * np.pi) - np.pi  # -pi and pi are the same place
    assert np.abs(near).max() < 1e-9
    # A star's velocity: at periastron and apastron K (cos w (1 + e)) and -K cos w (1 - e).
    at = names["radial_velocity"](np.array([0.0, 5.0]), 10.0, 2.0, 0.0, np.sqrt(0.3), 0.0, 1.0)
    assert at == pytest.approx([1 + 2 * 1.3, 1 - 2 * 0.7])


@pytest.mark.slow
@pytest.mark.realdata
def test_the_period_of_51_pegasi(tmp_path, monkeypatch):
    data = os.environ.get("EQUATORIUM_DATA") or ROOT.parent / "shared" / "data"
    if not (Path(data) / "time_series" / "51peg_rv.dat").exists():
        pytest.skip("the velocities of 51 Pegasi are not at hand: set EQUATORIUM_DATA")
    monkeypatch.setenv("EQUATORIUM_DATA", str(data))
    out = run(PLANET, tmp_path)
    period, error = map(float, re.search(r"period: ([\d.]+) \+- ([\d.]+)", out).groups())
    assert "Converged." in out and error < 0.01
    assert abs(period - 4.2308) < 3 * error  # Butler et al. 2006, doi:10.1086/504701


def test_the_shipped_table_is_what_its_script_makes():
    observation = eq.Observation.read(ROOT / "examples/my_table/observed.ecsv")
    galaxies = eq.simulator("galaxy-formation")
    source = galaxies.observed("stellar-mass-functions").select(z=0.0)
    np.testing.assert_allclose(observation.values, source.values)
    np.testing.assert_allclose(observation.covariance.dense(), source.covariance.dense())
    bins = eq.Outputs(observation.names, observation.coords, units=observation.units)
    inputs = ["alpha_hot", "beta0_disc", "alpha_reheat", "alpha_cool", "nu0_sf", "p_yield"]
    runs = eq.Runs.read(ROOT / "examples/my_table/runs.csv", inputs, bins)
    assert runs.ok.all() and runs.n == 160
    # One row, run anew on the forest that its noise allows for.
    others = dict(zip(galaxies.space.names, galaxies.space.defaults, strict=True))
    theta = [dict(zip(inputs, runs.X[7], strict=True)).get(k, v) for k, v in others.items()]
    again = galaxies.evaluate(np.array(theta), rng=0).values[4:17]
    assert np.all(np.abs(again - runs.Y[7]) < 6 * np.sqrt(runs.noise[7]) + 0.02)


MANIFOLDS = pytest.mark.parametrize(
    ("name", "figures"),
    [("zoo", ["zoo"]), ("digits", ["digits", "digits_map"]), ("gappy_digits", ["gappy_digits"])],
)


@MANIFOLDS
def test_the_manifold_scripts_run_on_few_rows(name, figures, tmp_path, monkeypatch, capsys):
    import matplotlib
    from sklearn import datasets

    matplotlib.use("agg")
    X, y = datasets.load_digits(return_X_y=True)
    curve = datasets.make_s_curve
    monkeypatch.setattr(datasets, "load_digits", lambda **_: (X[:300], y[:300]))
    monkeypatch.setattr(datasets, "make_s_curve", lambda n, **how: curve(n // 4, **how))
    monkeypatch.chdir(tmp_path)
    path = ROOT / "examples" / "manifolds" / f"{name}.py"
    assert len(path.read_text().splitlines()) <= 100
    script = path.read_text().replace('    "UMAP": eq.embedder("umap"),\n', "")  # compiles for long
    exec(script, {"__name__": "__main__"})
    assert "t-SNE" in capsys.readouterr().out
    for figure in figures:
        assert (tmp_path / f"{figure}.png").stat().st_size > 10_000


@pytest.mark.slow
@MANIFOLDS
def test_the_manifold_scripts_run(name, figures, tmp_path):
    out = run(ROOT / "examples" / "manifolds" / f"{name}.py", tmp_path)
    assert "t-SNE" in out
    for figure in figures:
        assert (tmp_path / f"{figure}.png").stat().st_size > 10_000
    error = dict(re.findall(r"observed, (.*): root mean squared error ([\d.]+)", out))
    told = dict(re.findall(r"neighbours, (.*): ([\d.]+)", out))
    if name == "gappy_digits":
        assert float(error["hmf"]) < 0.9 * float(error["mean-fill, pca"])
        assert float(told["hmf, t-SNE"]) > float(told["mean-fill, pca, t-SNE"]) + 0.02


def test_a_mean_of_a_hundred_fits_is_ten_times_as_good_as_one(tmp_path):
    out = run(ROOT / "examples" / "averaging" / "hundred_data_sets.py", tmp_path)
    assert int(re.search(r"mean of 100: (\d+)", out).group(1)) >= 10
    fresh, again = map(float, re.findall(r"members' errors ([\d.]+)", out))
    assert fresh < 0.1 < again
    assert (tmp_path / "hundred_data_sets.png").stat().st_size > 10_000


def test_methods_for_redshifts_are_compared_and_the_shift_is_seen(tmp_path, monkeypatch):
    path = ROOT / "examples" / "which_method" / "photoz.py"
    assert len(path.read_text().splitlines()) <= 100
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    out = run(path, tmp_path, "200")
    assert "made-up galaxies" in out and "ranked by CRPS" in out
    assert float(re.search(r"([\d.]+) % of 100 objects", out).group(1)) > 20
    plain, weighted = map(float, re.findall(r": bias ([-+.\d]+)", out))
    assert abs(weighted) < abs(plain)
    for figure in ("methods", "learning", "stack"):
        assert (tmp_path / f"photoz_{figure}.png").stat().st_size > 10_000


NEBULA = ROOT / "examples" / "nebula" / "hii_region.py"


def posterior_in(out):
    """Mean and standard deviation by name, off a printed summary of draws."""
    rows = re.findall(r"^(\w+) +(-?[\d.]+) +([\d.]+) .* [\d.]+$", out.split("burn-in")[1], re.M)
    return {name: (float(mean), float(sd)) for name, mean, sd in rows}


def test_the_nebula_is_found_in_a_made_up_grid(tmp_path, monkeypatch):
    assert len(NEBULA.read_text().splitlines()) <= 100
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    out = run(NEBULA, tmp_path)
    assert "made-up grid" in out and "Converged." in out
    found = posterior_in(out)
    for name, true in {"log_U": -2.8, "log_P": 6.3, "log_OH": 8.7, "scatter": 0.03}.items():
        mean, sd = found[name]
        assert abs(mean - true) < 3 * sd, name
    for figure in ("lines", "corner"):
        assert (tmp_path / f"hii_region_{figure}.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif("EQUATORIUM_DATA" not in os.environ, reason="EQUATORIUM_DATA is not set")
def test_the_observed_nebula_is_where_the_grid_itself_puts_it(tmp_path):
    """The same posterior, summed over the grid refined by splines, without any emulator."""
    folder = Path(os.environ["EQUATORIUM_DATA"]) / "simulations"
    script = NEBULA.read_text()
    listed = (folder / "nebula_hii_observed_lines.txt").read_text().split("NB_Model_HII")[0]
    numbers = set(re.findall(r"\d+\.\d+", listed))
    assert len(numbers) == 16 and numbers <= set(re.findall(r"\d+\.\d+", script))

    file = np.load(folder / "nebula_hii_grid.npz")
    names = {"__file__": str(NEBULA), "__name__": "nebula"}
    exec(script.split("def ")[0], names)
    nodes = [np.unique(x).astype(float) for x in file["X"].T]
    columns = [list(file["ynames"]).index(line) for line in names["LINES"]]
    Y = np.log10(np.nan_to_num(file["Y"][:, columns].astype(float), nan=1e-5))
    order = np.lexsort(file["X"].T[::-1])
    Y = Y[order].reshape(*map(len, nodes), -1)
    fine = [np.linspace(n[0], n[-1], 61) for n in nodes]
    for axis in range(3):
        Y = make_interp_spline(nodes[axis], Y, axis=axis)(fine[axis])
    own, shared = names["ERROR"] / names["FLUX"], names["HBETA_ERROR"] / names["HBETA"]
    r = np.log10(names["FLUX"] / names["HBETA"]) - Y.reshape(-1, len(columns))
    weight = np.zeros(len(r))
    for scatter in np.geomspace(0.01, 0.5, 40):  # its prior is even in the logarithm
        S = (np.diag(own**2) + shared**2) / np.log(10) ** 2 + scatter**2 * np.eye(len(columns))
        weight += np.exp(stats.multivariate_normal(cov=S).logpdf(r))
    X = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 3)
    mean = np.average(X, axis=0, weights=weight)
    sd = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))

    out = run(NEBULA, tmp_path)
    assert "NebulaBayes" in out and "PASSED" in out and "Converged." in out
    found = posterior_in(out)
    print(mean, sd, found)
    for j, name in enumerate(("log_U", "log_P", "log_OH")):
        assert abs(found[name][0] - mean[j]) < 0.2 * sd[j], name
        assert found[name][1] == pytest.approx(sd[j], rel=0.2), name


TREES = ROOT / "examples" / "trees"


def test_many_trees_vary_less_than_one_by_the_law(tmp_path):
    out = run(TREES / "one_or_many.py", tmp_path)
    rms = dict(re.findall(r"(\w+): rms error ([\d.]+)", out))
    assert float(rms["bagging"]) < 0.7 * float(rms["tree"]) > float(rms["adaboost"])
    single = float(re.search(r"members: variance ([\d.]+)", out).group(1))
    many, law = map(float, re.search(r"mean of 30: variance ([\d.]+), law ([\d.]+)", out).groups())
    assert many == pytest.approx(law, rel=0.1) and many < 0.5 * single
    assert (tmp_path / "one_or_many.png").stat().st_size > 10_000


def test_redshifts_of_generated_galaxies_have_distributions(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    out = run(TREES / "photoz.py", tmp_path)
    assert "generated" in out and (tmp_path / "photoz.png").stat().st_size > 10_000
    inside = float(re.search(r"intervals hold ([\d.]+) %", out).group(1))
    assert 85 < inside < 95


PLUGINS = ["gp", "galaxies", "regression", "trees", "manifold", "nets", "example"]


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_is_found_through_its_entry_point(name):
    from equatorium import registry

    found = {entry.dist for entry in registry.methods()}
    assert f"equatorium-{name}" in found and registry.problems() == ()


STAR = ROOT / "examples" / "stellar_spectrum" / "star.py"


def test_the_star_script_runs_on_made_up_spectra(tmp_path, monkeypatch, capsys):
    import matplotlib

    matplotlib.use("agg")
    assert len(STAR.read_text().splitlines()) <= 100
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    emcee = eq.sampler
    monkeypatch.setattr(
        eq, "sampler", lambda name, **_: emcee(name, walkers=10, until={}, max_steps=30)
    )
    with pytest.warns(NotConvergedWarning):
        exec(STAR.read_text(), {"__name__": "__main__", "__file__": str(STAR)})
    out = capsys.readouterr().out
    assert "120 stars of made-up stars" in out
    assert (tmp_path / "star.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif("EQUATORIUM_DATA" not in os.environ, reason="EQUATORIUM_DATA is not set")
def test_labels_of_the_observed_star_are_those_of_the_catalogue(tmp_path):
    out = run(STAR, tmp_path)
    found = posterior_in(out)
    listed = re.search(r"catalogue of \w+: ([\d.]+) ([\d.]+) (-?[\d.]+)", out).groups()
    errors = (100.0, 0.2, 0.1)  # Cenarro et al. 2007
    for name, label, error in zip(("teff", "logg", "feh"), listed, errors, strict=True):
        mean, sd = found[name]
        assert abs(mean - float(label)) < 3 * np.hypot(sd, error), name
    assert abs(found["v"][0] - 150.0) < 15


NETWORKS = ROOT / "examples" / "networks"


def test_networks_of_papers_have_their_parameters_and_maps(tmp_path):
    out = run(NETWORKS / "papers.py", tmp_path)
    told = {
        name: (int(count.replace(",", "")), maps.split(" -> "))
        for name, count, maps in re.findall(r"(.*): ([\d,]+) parameters; (.*)", out)
    }
    assert told["Bailer-Jones 1997"][0] == 821 * 5 + 5 + 5 * 5 + 5 + 5 + 1
    assert told["lecture, n-250-100-1"][0] == 821 * 250 + 250 + 250 * 100 + 100 + 100 + 1
    # Kim & Brunner 2017, table 1: filters, their sizes, and the maps of their figure 2.
    filters = [(5, 32, 25), (32, 32, 9), (32, 64, 9), *[(64, 64, 9)] * 2]
    filters += [(64, 128, 9), *[(128, 128, 9)] * 2]
    dense = [(128 * 5 * 5, 2048), (2048, 2048), (2048, 2)]
    count = sum(a * b * s + b for a, b, s in filters) + sum(a * b + b for a, b in dense)
    maps = ["5x44x44", "32x40x40", "32x20x20", "64x20x20", "64x10x10", "128x10x10", "128x5x5"]
    assert told["Kim & Brunner 2017"] == (count, maps)
    # torchvision's resnet-34 has 21,797,672 parameters with 1000 classes of 512 features.
    assert told["Wu & Boada 2019"][0] == 21_797_672 - 1000 * 513 + 513
    assert told["Wu & Boada 2019"][1][-2] == "512x4x4"  # 128 pixels halved five times
    # Net1(A, B): 30 pixels, 28 behind the convolution, 14 behind the pool; dense layers of B units.
    for a, b in ((32, 64), (64, 128), (128, 256)):
        count = 27 * a + a + a * b + b + b * b + b + 14 * 14 * b * 2 + 2
        maps = ["3x30x30", f"{a}x28x28", f"{a}x14x14", f"{b}x14x14"]
        assert told[f"Gieseke et al. 2017, Net1({a}, {b})"] == (count, maps)
    flat = 27 * 32 + 32 + 14 * 14 * 32 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    assert told["Net1(32, 64), flattened first"][0] == flat
    # Two pools leave 6 pixels of 30, three leave 2: 30 - 2 = 2 * 14, 14 - 2 = 2 * 6, 6 - 2 = 2 * 2.
    deep = {
        "Net2 of FRBID": ([3, 32, 128], [128, 512, 512], 6),
        "Net3 of FRBID": ([3, 16, 32, 64], [64, 1000, 1000], 2),
        "Net2 of MeerCRAB": ([3, 256, 512], [512, 512, 1024], 6),
        "Net3 of MeerCRAB": ([3, 512, 1024, 2048], [2048, 512, 1024, 2048], 2),
    }
    for name, (filters, units, pixels) in deep.items():
        count = sum(9 * a * b + b for a, b in itertools.pairwise(filters))
        count += sum(a * b + b for a, b in itertools.pairwise(units))
        count += pixels**2 * units[-1] * 2 + 2
        assert told[name][0] == count, name
        assert f"{units[-1]}x{pixels}x{pixels}" in told[name][1]


def test_variance_is_largest_at_half_the_dimension(tmp_path):
    out = run(NETWORKS / "width.py", tmp_path, "12", "small")
    rows = re.findall(r"width +(\d+): bias\^2 (-?[\d.]+), variance ([\d.]+)", out)
    width, bias2, variance = np.array(rows, dtype=float)[:9].T
    assert "largest variance at width 30" in out
    share = np.minimum(width / 60, 1.0)
    assert (np.diff(bias2) < 0.01).all()  # only falls
    np.testing.assert_allclose(bias2, (1 - share) ** 2, atol=0.1)
    np.testing.assert_allclose(variance, share * (1 - share), atol=0.05)
    assert (tmp_path / "width.png").stat().st_size > 10_000


def test_types_of_made_up_stars_are_predicted(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUATORIUM_DATA", str(tmp_path))
    out = run(NETWORKS / "pickles.py", tmp_path, "1")
    assert "108 spectra of 821 pixels, made up" in out
    found = re.findall(r"mean squared error ([\d.]+) classes", out)
    assert len(found) == 3 and float(found[0]) < 0.5
    assert (tmp_path / "pickles.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits_are_generated(tmp_path):
    out = run(NETWORKS / "gan.py", tmp_path)
    assert float(re.search(r"mean images ([\d.]+)", out).group(1)) > 0.9
    fake, noise, real = map(float, re.findall(r"distance to the nearest .*([\d.]{4})", out))
    assert real < fake < noise
    assert (tmp_path / "gan.png").stat().st_size > 10_000


@pytest.mark.slow
def test_exclusive_or_and_combinations(tmp_path):
    out = run(NETWORKS / "combined.py", tmp_path, "400")
    assert "fixed weights: [0.0, 1.0, 1.0, 0.0]" in out
    two, eight = map(int, re.findall(r": (\d+) of 30", out))
    assert two < 25 < 29 <= eight
    by_pixels, _, by_both = map(float, re.findall(r"digits by .*: ([\d.]+)", out))
    assert by_both > by_pixels - 0.05 and by_pixels > 0.85
    one, bagged = map(float, re.search(r"network ([\d.]+), .* ones ([\d.]+)", out).groups())
    assert bagged < one
