"""The variational autoencoder beside principal components and hmf, rows complete and half missing.

    EQUATORIUM_DATA=... python -m benchmarks.vae [--part digits,mnist,miles,linear] [--seeds 3]

Every seed is another split into three quarters to learn from and one quarter to reconstruct, and
other gaps; errors are root mean squares over all pixels of the held-out rows, against the complete
rows. With gaps, half of the pixels of all rows are missing, also of those to learn from: `pca` is
given the mean of a pixel in its place, `hmf` and `vae` leave it out.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import equatorium as eq

DATA = Path(os.environ.get("EQUATORIUM_DATA") or "../shared/data")


def digits():
    """Digits of 8 x 8 pixels, 8 coordinates."""
    return load_digits().data / 16.0, 8, {"epochs": 80}


def mnist():
    """6000 MNIST digits, 10 coordinates."""
    images = np.load(DATA / "images" / "mnist_10k.npz")["image"][:6000]
    wide = {"encoder": "dense(256) silu", "decoder": "dense(256) silu"}
    return images.reshape(len(images), -1) / 255.0, 10, {**wide, "epochs": 40, "batch_size": 128}


def miles():
    """MILES stars in bins of 4.5 Angstrom, divided by their medians, 5 coordinates."""
    flux = np.load(DATA / "spectra" / "miles_stars.npz")["flux"].astype(float)
    flux = flux[np.isfinite(flux).all(axis=1)]
    flux = flux.reshape(len(flux), -1, 5).mean(axis=2)
    return flux / np.median(flux, axis=1, keepdims=True), 5, {"epochs": 100}


def reconstructed(name, options, fit, new):
    """Return the held-out rows there and back, and the processor time."""
    start = time.process_time()
    model = eq.embedder(name, **options).fit(fit)
    back = model.inverse_transform(model.transform(new))
    return back, time.process_time() - start


def compared(rows, seeds):
    """Print errors of complete rows and of gappy ones, with paired differences to pca."""
    X, k, options = rows()
    print(f"{rows.__doc__} {len(X)} rows of {X.shape[1]} pixels, {seeds} seeds")
    found = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        X = X[rng.permutation(len(X))]
        held = slice(0, len(X) // 4), slice(len(X) // 4, None)
        new = X[held[0]]
        seen = rng.random(X.shape) >= 0.5
        gappy = np.where(seen, X, np.nan)
        mean = np.nanmean(gappy[held[1]], axis=0)
        for case, given in (("complete", X), ("half missing", gappy)):
            for name in ("pca", "hmf", "vae"):
                filled = np.where(np.isnan(given), mean, given) if name == "pca" else given
                how = {**options, "random_state": seed} if name == "vae" else {}
                new_rows, fit_rows = (filled[part] for part in held)
                back, seconds = reconstructed(name, {"n_components": k, **how}, fit_rows, new_rows)
                found.setdefault((case, name), []).append(
                    (np.sqrt(np.mean((back - new) ** 2)), seconds)
                )
    for (case, name), values in found.items():
        error, seconds = np.array(values).T
        gain = error / np.array(found[case, "pca"])[:, 0] - 1
        spread = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        print(
            f"{case} | {name} | {error.mean():.4f} | {100 * gain.mean():+.1f} +- "
            f"{100 * spread:.1f} % | {seconds.mean():.1f} CPU s",
            flush=True,
        )


def linear(seeds):
    """Held-out log-likelihood of linear-Gaussian rows: ours less that of probabilistic pca."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        W = rng.normal(size=(3, 20)) * np.array([3.0, 2.0, 1.0])[:, None]
        X = rng.normal(size=(2000, 3)) @ W + 0.3 * rng.normal(size=(2000, 20))
        exact = PCA(3).fit(X[:1500]).score_samples(X[1500:])
        model = eq.embedder("vae", n_components=3, epochs=40, random_state=seed).fit(X[:1500])
        gain = model.bound(X[1500:], rng=0) - exact
        print(f"seed {seed} | {exact.mean():.3f} | {gain.mean():+.3f} nats a row", flush=True)


PARTS = {"digits": digits, "mnist": mnist, "miles": miles}


def main():
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="digits,mnist,miles,linear")
    parser.add_argument("--seeds", type=int, default=3)
    options, _ = parser.parse_known_args()
    for part in options.part.split(","):
        if part == "linear":
            linear(options.seeds)
        elif part != "digits" and not DATA.is_dir():
            print(f"{part}: EQUATORIUM_DATA is not set")
        else:
            compared(PARTS[part], options.seeds)


if __name__ == "__main__":
    main()
