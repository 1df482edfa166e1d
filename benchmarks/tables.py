"""Methods for tables side by side: photometric redshifts, and three classifications.

    python -m benchmarks.tables [--quick] [--only PART] [--json FILE]

Five folds, the same for all; errors are paired over folds. Beside the registered methods run
quantile-forest and NGBoost where they are installed. The part ``overhead`` times our methods beside
scikit-learn called directly. Data: the folder ``EQUATORIUM_DATA``, by default ../shared/data.

photoz     5000 galaxies of the SDSS main sample: redshift from ugriz (TPZ demonstration sample)
variables  6146 LINEAR variable stars of 5 classes (Palaversa et al. 2013)
galaxies   early and late types of the catalogue of Nair & Abraham (2010)
objects    stars, galaxies and quasars of SDSS DR14, by their colours alone
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

import equatorium as eq

LOCAL = ("ridge", "polynomial", "lasso", "basis", "robust", "knn", "kernel", "local-linear")
TREES = ("tree", "bagging", "forest", "extra-trees", "adaboost", "gradient-boosting")
CLASSIFIERS = ("naive-bayes", "knn-classifier", "gmm", *(f"{name}-classifier" for name in TREES))
BALANCED = {"use": "forest-classifier", "options": {"balanced": True}}
QUANTILES = (np.arange(99) + 1) / 100


class QuantileForest(eq.Emulator):
    """quantile-forest 1.4: 99 quantiles of 200 trees as draws."""

    def _fit(self, X, Y, noise):
        from quantile_forest import RandomForestQuantileRegressor

        self.forest_ = RandomForestQuantileRegressor(200, min_samples_leaf=2, random_state=0)
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
    return bands[:, :-1] - bands[:, 1:], data["class"]


def overhead(rows):
    """Time our methods beside scikit-learn called directly, fit and prediction of points."""
    from sklearn.ensemble import (
        ExtraTreesRegressor,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
    )
    from sklearn.neighbors import KNeighborsRegressor

    data = np.loadtxt(table("photoz_sdss_mgs_train.txt.gz"))[:rows]
    X, y = data[:, 1:10], data[:, 0]
    pairs = {
        "forest": RandomForestRegressor,
        "extra-trees": ExtraTreesRegressor,
        "gradient-boosting": HistGradientBoostingRegressor,
        "knn": KNeighborsRegressor,
    }
    print("\noverhead: CPU seconds of ours and of scikit-learn, best of 3")
    for name in installed(pairs, "emulator"):
        ours = eq.emulator(name)
        shared = set(ours.get_params()) & set(pairs[name]().get_params())
        direct = pairs[name](**{key: ours.get_params()[key] for key in shared})
        seconds = [min(timed(model, X, y) for _ in range(3)) for model in (ours, direct)]
        print(f"{name:20s} {seconds[0]:.2f} {seconds[1]:.2f} ({seconds[0] / seconds[1] - 1:+.0%})")


def timed(model, X, y):
    """CPU seconds of a fit and a prediction."""
    start = time.process_time()
    clone(model).fit(X, y).predict(X)
    return time.process_time() - start


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="600 rows of each")
    parser.add_argument("--only", help="one part")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options, _ = parser.parse_known_args()
    rows, numbers = (600 if options.quick else None), {}
    wanted = lambda part: options.only in (None, part)  # noqa: E731
    found = {"photoz": photoz(rows)} if wanted("photoz") else {}
    for load in (variables, galaxies, objects):
        if wanted(load.__name__):
            names = installed(CLASSIFIERS, "classifier")
            names += [BALANCED] if "forest-classifier" in names else []
            scores = ["balanced_accuracy", "accuracy", "auc", "brier", "ece", "mcc"]
            data = load(rows)
            found[load.__name__] = eq.compare(
                names, data, scores=scores, simple=False, progress=True
            )
    for part, comparison in found.items():
        print(f"\n{part}\n{comparison}", flush=True)
        numbers[part] = {
            label: {score: comparison.value(label, score) for score in comparison.scores}
            for label in comparison.labels
        }
    if wanted("overhead"):
        overhead(rows)
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
