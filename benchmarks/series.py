"""Classes of PLAsTiCC light curves: recurrent networks on the series, a forest on summaries.

    python -m benchmarks.series [--quick]

Needs the data folder that EQUATORIUM_DATA names.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import equatorium as eq

ROOT = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("EQUATORIUM_DATA", ROOT)) / "time_series"
STEP, BANDS, SCALE = 12.0, 6, 10.0  # days; bands; units of flux


def curves(path):
    """Return fluxes as (objects, observations) lists, and what is known of each object."""
    table = dict(np.load(path))
    parts = np.split(np.arange(len(table["mjd"])), table["start"][1:])
    known = np.column_stack([table[name] for name in ("hostgal_photoz", "mwebv", "ddf")])
    return table, parts, known


def series(table, parts, known):
    """Return (objects, steps, channels): time, flux and error of each band, what is known.

    A step is twelve days; its flux in a band is their mean, weighted by the errors.
    """
    spans = [np.floor(table["mjd"][rows] / STEP).astype(int) for rows in parts]
    length = max(len(np.unique(span)) for span in spans)
    X = np.full((len(parts), length, 1 + 2 * BANDS + known.shape[1]), np.nan)
    for i, (rows, span) in enumerate(zip(parts, spans, strict=True)):
        names, place = np.unique(span, return_inverse=True)
        weight, flux = (np.zeros((len(names), BANDS)) for _ in range(2))
        each = table["flux_err"][rows] ** -2.0
        np.add.at(weight, (place, table["passband"][rows]), each)
        np.add.at(flux, (place, table["passband"][rows]), each * table["flux"][rows])
        seen = weight > 0
        mean = flux[seen] / weight[seen]
        X[i, : len(names), 0] = STEP * names
        X[i, : len(names), 1 : 1 + BANDS][seen] = np.arcsinh(mean / SCALE)
        X[i, : len(names), 1 + BANDS : 1 + 2 * BANDS][seen] = -0.5 * np.log(weight[seen])
        X[i, : len(names), 1 + 2 * BANDS :] = known[i]
    return X


def summaries(table, parts, known):
    """Return (objects, features): moments and extremes of every band, and what is known."""
    found = []
    for rows, own in zip(parts, known, strict=True):
        row = [*own, table["detected"][rows].mean()]
        for band in range(BANDS):
            here = rows[table["passband"][rows] == band]
            flux, error = table["flux"][here], table["flux_err"][here]
            if len(here) < 2:
                row += [0.0] * 7
                continue
            mean, std = flux.mean(), flux.std() + 1e-9
            skew = (((flux - mean) / std) ** 3).mean()
            step = np.abs(np.diff(flux)).mean() / std
            low, high = flux.min(), flux.max()
            row += [mean, std, skew, low, high, step, (flux / error).max()]
        found.append(row)
    return np.arcsinh(np.array(found))


def main():
    """Measure once, three objects in four being learned from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer objects and epochs")
    options, _ = parser.parse_known_args()
    table, parts, known = curves(DATA / "plasticc_light_curves.npz")
    every = 6 if options.quick else 1
    parts, known, y = parts[::every], known[::every], table["target"][::every]
    fit, test = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=0)
    X = series(table, parts, known)
    network = eq.classifier(
        "rnn-classifier",
        shape=X.shape[1:],
        layers="gru(64) dropout(0.2) dense(64) silu",
        n_members=2,
        epochs=3 if options.quick else 20,
        batch_size=64,
        learning_rate=5e-3,
        patience=10,
        random_state=0,
    )
    forest = eq.classifier("forest-classifier", n_estimators=500, random_state=0)
    flat = X.reshape(len(X), -1)
    print(f"{len(fit)} light curves of {X.shape[1:]} to learn from, {len(test)} to judge by")
    share = np.bincount(np.unique(y[test], return_inverse=True)[1]).max() / len(test)
    print(f"always the commonest class | accuracy {share:.3f}")
    right = {}
    for name, model, rows in (
        ("forest on summaries", forest, summaries(table, parts, known)),
        ("rnn-classifier", network, flat),
    ):
        start, wall = time.process_time(), time.perf_counter()
        model.fit(rows[fit], y[fit])
        spent = time.process_time() - start, time.perf_counter() - wall
        chance = model.predict_proba(rows[test])
        right[name] = model.classes_[chance.argmax(axis=1)] == y[test]
        each = [right[name][y[test] == label].mean() for label in model.classes_]
        sure = np.clip(chance, 1e-6, 1.0)
        sure /= sure.sum(axis=1, keepdims=True)
        loss = log_loss(y[test], sure, labels=model.classes_)
        print(
            f"{name} | accuracy {right[name].mean():.3f}, mean over classes {np.mean(each):.3f} | "
            f"log loss {loss:.3f} | {spent[0]:.0f} s CPU, {spent[1]:.0f} s",
            flush=True,
        )
    gain = right["rnn-classifier"].astype(float) - right["forest on summaries"]
    print(f"difference of accuracy {gain.mean():.3f} +- {gain.std() / np.sqrt(len(gain)):.3f}")


if __name__ == "__main__":
    main()
