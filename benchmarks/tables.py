"""Methods for tables side by side: photometric redshifts, and three classifications.

    python -m benchmarks.tables [--quick] [--only PART,...] [--json FILE]

Five folds, the same for all; errors are paired over folds. Beside the registered methods run
quantile-forest and NGBoost where they are installed. Data: the folder ``EQUATORIUM_DATA``, by
default ../shared/data. Parts:

photoz     5000 galaxies of the SDSS main sample: redshift from ugriz (TPZ demonstration sample)
variables  6146 LINEAR variable stars of 5 classes (Palaversa et al. 2013)
galaxies   early and late types of the catalogue of Nair & Abraham (2010)
objects    stars, galaxies and quasars of SDSS DR14, by their colours alone
overhead   CPU time of our methods beside scikit-learn called directly, with the same options
left_out   errors out of bag beside those of held-out galaxies; what 90 % intervals hold
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor

import equatorium as eq

LOCAL = ("ridge", "polynomial", "lasso", "basis", "robust", "knn", "kernel", "local-linear")
TREES = ("tree", "bagging", "forest", "extra-trees", "adaboost", "gradient-boosting")
VARIANTS = {
    "bagging": ("bagging of 50 trees", {"n_estimators": 50}),
    "adaboost": ("adaboost of 300 trees", {"n_estimators": 300}),
    "gradient-boosting": ("gradient-boosting (lightgbm)", {"library": "lightgbm"}),
}
CLASSIFIERS = ("naive-bayes", "knn-classifier", "gmm", *(f"{name}-classifier" for name in TREES))
# To find rare classes: all count alike, while trees grow or in the prior.
BALANCED = (
    {"use": "forest-classifier", "options": {"balanced": True}},
    {"use": "extra-trees-classifier", "options": {"balanced": True}},
    {"use": "knn-classifier", "options": {"prior": "equal"}},
)
QUANTILES = (np.arange(99) + 1) / 100


class QuantileForest(eq.Emulator):
    """quantile-forest: 99 quantiles of as many and as large trees as `forest` has."""

    def _fit(self, X, Y, noise):
        from quantile_forest import RandomForestQuantileRegressor

        self.forest_ = RandomForestQuantileRegressor(
            200, max_features=0.7, min_samples_leaf=3, max_samples_leaf=None, random_state=0
        )
        self.forest_.fit(X, Y[:, 0])

    def _predict_dist(self, X):
        found = self.forest_.predict(X, quantiles=QUANTILES.tolist())
        return eq.Weighted(found.T[..., None])


class NGBoost(eq.Emulator):
    """NGBoost with 400 trees and a normal distribution."""

    def _fit(self, X, Y, noise):
        from ngboost import NGBRegressor

        self.model_ = NGBRegressor(n_estimators=400, verbose=False, random_state=0)
        self.model_.fit(X, Y[:, 0])

    def _predict_dist(self, X):
        found = self.model_.pred_dist(X)
        return eq.Gaussian(found.loc[:, None], eq.Diagonal(found.scale[:, None] ** 2))


class LectureSnippet(RegressorMixin, BaseEstimator):
    """AdaBoost of 300 trees of depth 4, as the lecture prints it."""

    def fit(self, X, y):
        from sklearn.ensemble import AdaBoostRegressor
        from sklearn.tree import DecisionTreeRegressor

        tree = DecisionTreeRegressor(max_depth=4)
        self.model_ = AdaBoostRegressor(tree, n_estimators=300, random_state=0).fit(X, y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.model_.predict(X)


def table(name):
    """Return the path of a table of the data folder."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("EQUATORIUM_DATA") or default) / "tables" / name


def installed(names, kind):
    """Return those of the names that are registered."""
    known = {name for entry in eq.methods(kind) for name in entry.names}
    return [name for name in names if name in known]


def peers():
    """Return other libraries' methods, where they are installed."""
    homes = {
        "quantile-forest": ("quantile_forest", QuantileForest),
        "NGBoost": ("ngboost", NGBoost),
    }
    return {
        name: cls()
        for name, (module, cls) in homes.items()
        if importlib.util.find_spec(module) is not None
    }


def photoz(rows):
    """Redshifts: trees see magnitudes and colours, the others r and the colours."""
    data = np.loadtxt(table("photoz_sdss_mgs_train.txt.gz"))[:rows]
    z, all_of_it, few = data[:, 0], data[:, 1:10], data[:, [3, 6, 7, 8, 9]]
    how = {"scale": lambda z: 1 + z, "simple": False, "progress": True}
    local = eq.compare(installed(LOCAL, "emulator"), (few, z), **how)
    trees = {name: name for name in installed(TREES, "emulator")}
    trees |= {
        label: {"use": name, "options": options}
        for name, (label, options) in VARIANTS.items()
        if name in trees
    }
    trees |= {"lecture's AdaBoost": LectureSnippet(), **peers()}
    others = eq.compare(trees, (all_of_it, z), **how)
    baselines = ("mean", "linear")  # those of the few inputs
    return dataclasses.replace(
        local,
        held={**{k: v for k, v in others.held.items() if k not in baselines}, **local.held},
        seconds={**others.seconds, **local.seconds},
        failures={**others.failures, **local.failures},
        remarks={**others.remarks, **local.remarks},
    )


def variables(rows):
    """Classes of variable stars from colours, period and light-curve shape."""
    data = np.loadtxt(table("linear_variable_stars.dat.gz"))[:rows]
    return data[:, 2:10], data[:, 12].astype(int)


def galaxies(rows):
    """Early or late type from the columns of the catalogue; gaps stay gaps."""
    from astropy.table import Table

    found = Table.read(table("nair_abraham_galaxies.fits.gz"))
    found = found[(found["T_TYPE"] >= -5) & (found["T_TYPE"] <= 10)][:rows]
    names = "Z RP50 RP90 SFRT SFRM AGE MUG MUM B_A NG NR SIGMA V_DISP ABS_G UG_REST GR_REST RI_REST"
    columns = [np.ma.filled(found[n].astype(float), np.nan) for n in [*names.split(), "IZ_REST"]]
    X = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    return np.where(np.abs(X) > 1e4, np.nan, X), np.where(found["T_TYPE"] <= 0, "early", "late")


def objects(rows):
    """Stars, galaxies, quasars from four colours."""
    path = table("sdss_star_galaxy_qso.csv.gz")
    data = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")[:rows]
    bands = np.column_stack([data[name] for name in "ugriz"])
    good = np.isfinite(bands).all(axis=1)
    return (bands[:, :-1] - bands[:, 1:])[good], data["class"][good]


def overhead(rows):
    """Time our methods beside scikit-learn called directly: a fit, and prediction of points."""
    from sklearn import ensemble, tree

    data = np.loadtxt(table("photoz_sdss_mgs_train.txt.gz"))[:rows]
    X, y = data[:, 1:10], data[:, 0]
    pairs = {
        "tree": tree.DecisionTreeRegressor,
        "forest": ensemble.RandomForestRegressor,
        "extra-trees": ensemble.ExtraTreesRegressor,
        "adaboost": ensemble.AdaBoostRegressor,
    }
    print("\noverhead: CPU seconds of a fit, of points; ours, scikit-learn's; least of 5")
    for name in installed(pairs, "emulator"):
        ours = eq.emulator(name, random_state=0)
        shared = set(ours.get_params()) & set(pairs[name]().get_params())
        direct = pairs[name](**{key: ours.get_params()[key] for key in shared})
        if name == "adaboost":
            direct.set_params(estimator=tree.DecisionTreeRegressor(max_depth=ours.max_depth))
        if name == "extra-trees":
            direct.set_params(bootstrap=True)
        each = [timed(model, X, y) for _ in range(5) for model in (ours, direct)]
        least, peer = np.min(each[::2], axis=0), np.min(each[1::2], axis=0)
        cells = [f"{a:.3f} {b:.3f} ({a / b - 1:+.1%})" for a, b in zip(least, peer, strict=True)]
        print(f"{name:20s} {'   '.join(cells)}", flush=True)


def timed(model, X, y):
    """CPU seconds of a fit and of a prediction of points."""
    model = clone(model)
    start = time.process_time()
    model.fit(X, y)
    middle = time.process_time()
    getattr(model, "predict_mean", model.predict)(X)
    return middle - start, time.process_time() - middle


def left_out(rows):
    """Compare errors out of bag with those of held-out rows; count what 90 % intervals hold."""
    data = np.loadtxt(table("photoz_sdss_mgs_train.txt.gz"))[:rows]
    X, y = data[:, 1:10], data[:, 0]
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    print("\nerror out of bag over held-out error; mean over folds, standard error")
    for name in installed(("bagging", "forest", "extra-trees"), "emulator"):
        ratios = []
        for learn, test in folds:
            model = eq.emulator(name, random_state=0).fit(X[learn], y[learn])
            inside = np.sqrt(np.nanmean((model.oob_prediction_[:, 0] - y[learn]) ** 2))
            ratios.append(inside / np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2)))
        print(f"{name:20s} {np.mean(ratios):.3f} +- {np.std(ratios, ddof=1) / 5**0.5:.3f}")
    print("\nshare of held-out galaxies in intervals of 90 %")
    near = KNeighborsRegressor(10)
    for label, model in {
        "conformal": eq.Conformal(near),
        "split-conformal": eq.SplitConformal(near),
        "split-conformal, local width": eq.SplitConformal(near, scale=KNeighborsRegressor(50)),
    }.items():
        held = 0
        for learn, test in folds:
            prediction = clone(model).fit(X[learn], y[learn]).predict_dist(X[test])
            low, high = prediction.quantile([0.05, 0.95])[..., 0]
            held += int(((low <= y[test]) & (y[test] <= high)).sum())
        print(f"{label:30s} {held / len(y):.4f}", flush=True)


def paired(comparison, base="forest"):
    """Return the CRPS of all methods less that of `forest`, paired over folds, and mean times."""
    if base not in comparison.held or comparison.task != "regression":
        return ""
    lines = [f"CRPS less that of {base}; seconds of a fit and of 1000 predictions"]
    for label in comparison.labels:
        more, error = comparison.difference(label, base, "crps")
        fit, predict = comparison.seconds[label].mean(axis=0)
        each = 1000 * predict * comparison.folds / len(comparison.row)
        lines.append(f"{label:30s} {more:+.5f} +- {error:.5f} {fit:8.2f} {each:8.3f}")
    return "\n".join(lines)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="600 rows of each")
    parser.add_argument("--only", help="parts, with commas")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options, _ = parser.parse_known_args()
    rows, numbers = (600 if options.quick else None), {}
    wanted = lambda part: options.only is None or part in options.only.split(",")  # noqa: E731
    found = {"photoz": photoz(rows)} if wanted("photoz") else {}
    for load in (variables, galaxies, objects):
        if wanted(load.__name__):
            names = installed(CLASSIFIERS, "classifier")
            names += [spec for spec in BALANCED if spec["use"] in names]
            scores = ["balanced_accuracy", "accuracy", "auc", "brier", "ece", "mcc"]
            data = load(rows)
            found[load.__name__] = eq.compare(
                names, data, scores=scores, simple=False, progress=True
            )
    for part, comparison in found.items():
        print(f"\n{part}\n{comparison}\n{paired(comparison)}", flush=True)
        numbers[part] = {
            label: {score: comparison.value(label, score) for score in comparison.scores}
            for label in comparison.labels
        }
    for more in (overhead, left_out):
        if wanted(more.__name__):
            more(rows)
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
