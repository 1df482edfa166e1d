"""The tree methods on real tables, beside scikit-learn, quantile-forest and NGBoost.

    python -m benchmarks.trees [--folds 2] [part ...]

Parts: ``photoz`` (redshifts of 5000 SDSS galaxies from 5 magnitudes and 4 colours), ``peers`` (the
same data: time beside scikit-learn, CRPS beside quantile-forest and NGBoost where they are
installed, paired over folds), ``classes`` (LINEAR variable stars, Nair & Abraham galaxies, stars
and galaxies and quasars). Five folds; errors are standard errors over folds. Needs the data folder
that EQUATORIUM_DATA names; times are CPU seconds of one thread.
"""

import argparse
import gzip
import os
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold

import equatorium as eq
from equatorium.emulate.validate import crps

SNIPPET = {"n_estimators": 300}
NUMBERS = {
    "tree": {},
    "bagging": {"n_estimators": 50},
    "forest": {},
    "extra-trees": {},
    "adaboost": SNIPPET,
    "gradient-boosting": {},
    "gradient-boosting (lightgbm)": {"library": "lightgbm"},
}
CLASSES = {
    "tree-classifier": {},
    "bagging-classifier": {"n_estimators": 30},
    "forest-classifier": {},
    "forest-classifier (balanced)": {"balanced": True},
    "extra-trees-classifier": {},
    "adaboost-classifier": {},
    "gradient-boosting-classifier": {},
}


def tables():
    """Return the folder of the tables."""
    root = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("EQUATORIUM_DATA", root)) / "tables"


def photoz():
    """Magnitudes ugriz, the four colours, and spectroscopic redshifts."""
    with gzip.open(tables() / "photoz_sdss_mgs_train.txt.gz", "rt") as file:
        table = np.loadtxt(file)
    return table[:, 1:10], table[:, 0]


def linear():
    """Colours, period, light-curve shape and magnitude of LINEAR variables, and their type."""
    with gzip.open(tables() / "linear_variable_stars.dat.gz", "rt") as file:
        table = np.loadtxt(file)
    return table[:, 2:11], table[:, 12].astype(int)


def galaxies():
    """Catalogue features of galaxies (NaN where unknown), and whether they are of late type."""
    table = Table.read(tables() / "nair_abraham_galaxies.fits.gz")
    names = ("RP50", "RP90", "SFRT", "SFRM", "AGE", "MUG", "MUM", "B_A", "NG", "NR", "SIGMA")
    names += ("V_DISP", "ABS_G", "UG_REST", "GR_REST", "RI_REST", "IZ_REST")
    X = np.column_stack([np.ma.filled(table[name].astype(float), np.nan) for name in names])
    X[np.abs(X) > 900] = np.nan  # how the catalogue says that it does not know
    kind = np.asarray(table["T_TYPE"], dtype=float)
    known = np.abs(kind) < 20
    return X[known], (kind[known] > 0).astype(int)


def sources():
    """Four colours of SDSS sources, and star, galaxy or quasar."""
    table = Table.read(tables() / "sdss_star_galaxy_qso.csv.gz", format="ascii.csv")
    mags = np.column_stack([np.asarray(table[band], dtype=float) for band in "ugriz"])
    return -np.diff(mags, axis=1), np.asarray(table["class"])


def clocked(action):
    """Return what it returns, and its CPU seconds."""
    start = time.process_time()
    return action(), time.process_time() - start


def deviation(pit):
    """Largest distance of the PIT values' distribution from the uniform one."""
    return stats.kstest(pit, "uniform").statistic


def mean_and_error(values):
    values = np.asarray(values)
    return f"{values.mean():.5f} +- {values.std(ddof=1) / np.sqrt(len(values)):.5f}"


def judge_numbers(folds):
    """Print a table of every method on the redshifts."""
    X, y = photoz()
    print(f"photo-z: n = {len(y)}, PIT deviation at 95 % by chance {1.358 / np.sqrt(len(y)):.3f}")
    print("| method | sigma | NMAD | CRPS | PIT dev | z2 | fit s | mean ms/1000 | dist ms/1000 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, options in NUMBERS.items():
        d, c, pit, z2, times, oob = [], [], [], [], [], []
        for learn, test in folds(X):
            model = eq.emulator(name.split(" ")[0], random_state=0, **options)
            _, fit = clocked(lambda m=model, i=learn: m.fit(X[i], y[i]))
            mean, point = clocked(lambda m=model, i=test: m.predict(X[i]))
            prediction, dist = clocked(lambda m=model, i=test: m.predict_dist(X[i]))
            truth = y[test, None]
            d.append((mean - y[test]) / (1 + y[test]))
            c.append(crps(prediction, truth)[:, 0])
            pit.append(prediction.cdf(truth)[:, 0])
            z2.append(((truth - prediction.mean) ** 2 / prediction.variance)[:, 0])
            times.append((fit, 1e6 * point / len(test), 1e6 * dist / len(test)))
            if hasattr(model, "oob_prediction_"):
                inside = np.sqrt(np.nanmean((model.oob_prediction_[:, 0] - y[learn]) ** 2))
                oob.append(inside / np.sqrt(np.mean((mean - y[test]) ** 2)))
        d, c, pit, z2 = (np.concatenate(part) for part in (d, c, pit, z2))
        fit, point, dist = np.mean(times, axis=0)
        print(
            f"| {name} | {d.std():.5f} | {1.4826 * np.median(np.abs(d - np.median(d))):.4f} "
            f"| {c.mean():.5f} | {deviation(pit):.3f} | {z2.mean():.2f} | {fit:.2f} | {point:.0f} "
            f"| {dist:.0f} |",
            flush=True,
        )
        if oob:
            print(f"  {name}: out-of-bag error over held-out error {mean_and_error(oob)}")


def judge_peers(folds):
    """Print times beside scikit-learn, and the CRPS of peers less that of `forest`."""
    X, y = photoz()
    rows = {"fit": [], "predict": []}
    found = {}
    for learn, test in folds(X):
        truth = y[test, None]
        forest = eq.emulator("forest", random_state=0)
        plain = RandomForestRegressor(200, max_features=0.7, min_samples_leaf=3, random_state=0)
        _, ours = clocked(lambda m=forest, i=learn: m.fit(X[i], y[i]))
        _, theirs = clocked(lambda m=plain, i=learn: m.fit(X[i], y[i]))
        rows["fit"].append(ours / theirs)
        several = [
            clocked(lambda m=m, i=test: m.predict(X[i]))[1]
            for _ in range(5)
            for m in (forest, plain)
        ]
        rows["predict"].append(np.median(several[::2]) / np.median(several[1::2]))
        prediction, dist = clocked(lambda m=forest, i=test: m.predict_dist(X[i]))
        scores = {"forest": (crps(prediction, truth).mean(), ours, dist)}
        boosting = eq.emulator("gradient-boosting", random_state=0)
        _, fit = clocked(lambda m=boosting, i=learn: m.fit(X[i], y[i]))
        prediction, dist = clocked(lambda m=boosting, i=test: m.predict_dist(X[i]))
        scores["gradient-boosting"] = (crps(prediction, truth).mean(), fit, dist)
        scores |= dict(peers(X[learn], y[learn], X[test], truth))
        for name, row in scores.items():
            found.setdefault(name, []).append(row)
    for name, ratios in rows.items():
        print(f"forest: {name} time over scikit-learn's {mean_and_error(ratios)}")
    base = np.array(found["forest"])[:, 0]
    for name, part in found.items():
        part = np.array(part)
        excess = mean_and_error(part[:, 0] - base)
        print(
            f"{name}: CRPS {part[:, 0].mean():.5f}, less forest's {excess}, "
            f"fit {part[:, 1].mean():.1f} s, distribution {part[:, 2].mean():.2f} s",
            flush=True,
        )


def peers(X, y, query, truth):
    """Yield the CRPS and times of peers that are installed."""
    levels = (np.arange(200) + 0.5) / 200
    try:
        from quantile_forest import RandomForestQuantileRegressor
    except ImportError:
        print("quantile-forest is not installed")
    else:
        model = RandomForestQuantileRegressor(
            200, max_features=0.7, min_samples_leaf=3, max_samples_leaf=None, random_state=0
        )
        _, fit = clocked(lambda: model.fit(X, y))
        values, dist = clocked(lambda: model.predict(query, quantiles=levels.tolist()))
        yield "quantile-forest", (crps(eq.Weighted(values.T[..., None]), truth).mean(), fit, dist)
    try:
        from ngboost import NGBRegressor
    except ImportError:
        print("NGBoost is not installed")
    else:
        model = NGBRegressor(n_estimators=400, learning_rate=0.03, verbose=False, random_state=0)
        _, fit = clocked(lambda: model.fit(X, y))
        normal, dist = clocked(lambda: model.pred_dist(query))
        gaussian = eq.Gaussian(normal.loc[:, None], eq.Diagonal(normal.scale[:, None] ** 2))
        yield "NGBoost", (crps(gaussian, truth).mean(), fit, dist)


def judge_classes(count):
    """Print tables of every classifier on three sets."""
    for title, data in (
        ("LINEAR variables", linear),
        ("Nair & Abraham, early or late", galaxies),
        ("star, galaxy, quasar by colours", sources),
    ):
        X, y = data()
        print(f"{title}: n = {len(y)}, {len(np.unique(y))} classes")
        print("| method | accuracy | balanced accuracy | AUC | Brier | ECE | fit s |")
        print("|---|---|---|---|---|---|---|")
        for name, options in CLASSES.items():
            P, seconds = np.zeros((len(y), len(np.unique(y)))), []
            for learn, test in list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)):
                model = eq.classifier(name.split(" ")[0], random_state=0, **options)
                if "missing" not in model.capabilities_:
                    X = np.nan_to_num(X, nan=-1e3)
                _, fit = clocked(lambda m=model, i=learn, X=X, y=y: m.fit(X[i], y[i]))
                P[test] = model.predict_proba(X[test])
                seconds.append(fit)
                if len(seconds) == count:
                    break
            seen = P.sum(axis=1) > 0
            labels = model.classes_[P.argmax(axis=1)]
            right = (labels == y)[seen]
            sure = P[seen].max(axis=1)
            place = np.minimum((10 * sure).astype(int), 9)
            gap = [abs(np.sum((sure - right)[place == k])) for k in range(10)]
            auc = roc_auc_score(y[seen], P[seen, 1]) if P.shape[1] == 2 else np.nan
            brier = brier_score_loss(y[seen], P[seen] if P.shape[1] > 2 else P[seen, 1])
            even = balanced_accuracy_score(y[seen], labels[seen])
            print(
                f"| {name} | {right.mean():.4f} | {even:.4f} | {auc:.4f} | {brier:.4f} "
                f"| {sum(gap) / seen.sum():.3f} | {np.mean(seconds):.1f} |",
                flush=True,
            )


def main():
    """Judge what is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="photoz, peers, classes")
    parser.add_argument("--folds", type=int, default=5, help="of five, how many to do")
    options, _ = parser.parse_known_args()

    def folds(X):
        return list(KFold(5, shuffle=True, random_state=0).split(X))[: options.folds]

    for part in options.parts or ("photoz", "peers", "classes"):
        if part == "classes":
            judge_classes(options.folds)
        else:
            {"photoz": judge_numbers, "peers": judge_peers}[part](folds)


if __name__ == "__main__":
    main()
