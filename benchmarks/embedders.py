"""Embedders with gaps, with new rows, at scale, and beside the libraries called directly.

python -m benchmarks.embedders [--part gaps,spectra,stale,...] [--seeds 1] [--rows N]

Parts: gaps, spectra, stale, digits, overhead, scale (of N rows). Needs the folder EQUATORIUM_DATA
for ``gaps`` and ``stale`` (MNIST) and for ``spectra`` (MILES).
"""

import argparse
import contextlib
import io
import os
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from sklearn import decomposition, manifold
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.utils import check_array

import equatorium as eq

DATA = Path(os.environ.get("EQUATORIUM_DATA") or "../shared/data")


def told(Z, y, new, truth):
    return KNeighborsClassifier(5).fit(Z, y).score(new, truth)


def fill(Y, seen, rows, how):
    """Fill gaps with zero, or with the mean of the observed values of some rows."""
    count = np.maximum(seen[rows].sum(axis=0), 1)
    mean = np.where(seen, Y, 0.0)[rows].sum(axis=0) / count
    return np.where(seen, Y, mean if how == "mean" else 0.0)


def gaps(seeds, **_):
    """Noise of 0.1 to 0.6, and 50 % and 70 % of the pixels of MNIST digits missing."""
    file = np.load(DATA / "images" / "mnist_10k.npz")
    print("missing | seed | method | 5-NN in t-SNE | 5-NN in latent space | RMSE hidden | CPU s")
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(file["label"]))[:6000]
        X, y = file["image"][chosen].reshape(6000, -1) / 255.0, file["label"][chosen]
        fit, new = slice(0, 4000), slice(4000, None)
        std = 0.3 * np.exp(rng.uniform(np.log(1 / 3), np.log(2), 6000))[:, None]
        noisy = X + std * rng.normal(size=X.shape)
        for share in (0.5, 0.7):
            seen = rng.random(X.shape) >= share
            ivar, hidden = np.where(seen, std**-2, 0.0), ~seen[new]
            for how in ("hmf", "mean", "zero"):
                start = time.process_time()
                if how == "hmf":
                    model = eq.embedder("hmf", n_components=30).fit(noisy[fit], ivar=ivar[fit])
                    Z = model.transform(noisy, ivar=ivar)
                else:
                    given = fill(noisy, seen, fit, how)
                    model = eq.embedder("pca", n_components=50).fit(given[fit])
                    Z = model.transform(given)
                seconds = time.process_time() - start
                error = (model.inverse_transform(Z[new]) - X[new])[hidden]
                tsne = eq.embedder("tsne")
                places = tsne.fit_transform(Z[fit])
                scores = told(places, y[fit], tsne.transform(Z[new]), y[new])
                plain = told(Z[fit], y[fit], Z[new], y[new])
                rmse = np.sqrt(np.mean(error**2))
                print(
                    f"{share:.0%} | {seed} | {how} | {scores:.4f} | {plain:.4f} | {rmse:.4f} | "
                    f"{seconds:.1f}",
                    flush=True,
                )


def spectra(**_):
    """A window of the wavelengths is missing in every MILES star; labels by k-NN, ten splits."""
    file = np.load(DATA / "spectra" / "miles_stars.npz")
    flux, labels = file["flux"].astype(float), [np.log10(file["teff"]), file["logg"], file["feh"]]
    good = np.isfinite(flux).all(axis=1) & np.isfinite(labels).all(axis=0)
    flux, labels = flux[good], np.array(labels).T[good]
    flux = flux.reshape(len(flux), -1, 5).mean(axis=2)  # bins of 4.5 Angstrom
    flux /= np.median(flux, axis=1, keepdims=True)
    n, p = flux.shape
    names = ("log Teff", "log g", "[Fe/H]")
    print(f"{n} stars, {p} pixels; RMS error; difference to hmf, paired over ten splits, +- s.e.")
    print("missing | method | " + " | ".join(names))
    for share in (0.2, 0.4, 0.6):
        errors = {how: [] for how in ("hmf", "mean", "zero")}
        for seed in range(10):
            rng = np.random.default_rng([seed, int(100 * share)])
            start = rng.integers(0, p, size=n)  # the window may run over the end
            seen = (np.arange(p) - start[:, None]) % p >= share * p
            noise = 0.02 * rng.normal(size=flux.shape)
            order = rng.permutation(n)
            new, fit = order[: n // 5], order[n // 5 :]
            for how, found in errors.items():
                if how == "hmf":
                    ivar = np.where(seen, 0.02**-2, 0.0)
                    model = eq.embedder("hmf", n_components=15).fit(
                        (flux + noise)[fit], ivar=ivar[fit]
                    )
                    Z = model.transform(flux + noise, ivar=ivar)
                else:
                    given = fill(flux + noise, seen, fit, how)
                    Z = eq.embedder("pca", n_components=15).fit(given[fit]).transform(given)
                near = KNeighborsRegressor(7, weights="distance").fit(Z[fit], labels[fit])
                off = near.predict(Z[new]) - labels[new]
                found.append(np.sqrt(np.mean(off**2, axis=0)))
        base = np.array(errors["hmf"])
        for how, found in errors.items():
            gain = np.array(found) - base
            cells = [f"{value:.3f}" for value in np.mean(found, axis=0)]
            if how != "hmf":
                spread = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
                pairs = zip(cells, gain.mean(axis=0), spread, strict=True)
                cells = [f"{a} ({b:+.3f} +- {c:.3f})" for a, b, c in pairs]
            print(f"{share:.0%} | {how} | " + " | ".join(cells), flush=True)


def stale(**_):
    """Beside packages that are no longer kept: MNIST, noise, 50 % missing, 500 new digits.

    Each is left out where it is not installed (``pip install wpca NonnegMFPy``).
    """
    X, rng, k = np.load(DATA / "images" / "mnist_10k.npz")["image"], np.random.default_rng(0), 15
    X = X[rng.permutation(len(X))[:1500]].reshape(1500, -1) / 255.0
    std = 0.3 * np.exp(rng.uniform(np.log(1 / 3), np.log(2), 1500))[:, None]
    seen = rng.random(X.shape) >= 0.5
    given, ivar = np.where(seen, X + std * rng.normal(size=X.shape), 0.0), seen / std**2
    fit, new = slice(0, 1000), slice(1000, None)
    print("method | RMSE hidden | CPU s")
    for name, run in (
        ("hmf", _ours("hmf")),
        ("wpca.EMPCA", _wpca("EMPCA")),
        ("wpca.WPCA", _wpca("WPCA")),
        ("nmf", _ours("nmf")),
        ("NonnegMFPy", _nonneg),
    ):
        start = time.process_time()
        try:
            with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                again = run(k, (given[fit], ivar[fit]), (given[new], ivar[new]))
        except (ImportError, TypeError) as error:  # not there, or of other times
            print(f"{name} | {error}")
            continue
        rmse = np.sqrt(np.mean((again - X[new])[~seen[new]] ** 2))
        print(f"{name} | {rmse:.4f} | {time.process_time() - start:.1f}", flush=True)


def _ours(name):
    def run(k, fit, new):
        model = eq.embedder(name, n_components=k).fit(fit[0], ivar=fit[1])
        return model.inverse_transform(model.transform(new[0], ivar=new[1]))

    return run


def _wpca(name):
    def run(k, fit, new):
        import wpca

        def check(X, force_all_finite=True):  # renamed in scikit-learn since
            return check_array(X, ensure_all_finite=force_all_finite)

        wpca.utils.check_array = check
        more = {"max_iter": 25, "random_state": 0} if name == "EMPCA" else {}
        model = getattr(wpca, name)(n_components=k, **more)
        model.fit(fit[0], weights=np.sqrt(fit[1]))
        return model.inverse_transform(model.transform(new[0], weights=np.sqrt(new[1])))

    return run


def _nonneg(k, fit, new):
    from NonnegMFPy.nmf import NMF

    np.random.seed(0)  # noqa: NPY002 - it draws from the global state
    learned = NMF(fit[0], V=fit[1], n_components=k)
    learned.SolveNMF()
    placed = NMF(new[0], V=new[1], H=learned.H, n_components=k)
    placed.SolveNMF(W_only=True)
    return placed.W @ learned.H


def digits(**_):
    """New digits placed by `transform`."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    fit, new = order[:1200], order[1200:]
    print("method | 5-NN of 597 new digits | trustworthiness | alone = in a batch")
    for name in ("pca", "lle", "isomap", "mds", "spectral", "tsne", "umap"):
        model = eq.embedder(name, **({"n_components": 2} if name == "pca" else {}))
        Z, placed = model.fit_transform(X[fit]), model.transform(X[new])
        alone = np.concatenate([model.transform(X[new[i : i + 1]]) for i in range(20)])
        score, trust = told(Z, y[fit], placed, y[new]), eq.trustworthiness(X[fit], Z)
        same = np.abs(alone - placed[:20]).max()
        print(f"{name} | {score:.3f} | {trust:.3f} | {same:.1g}", flush=True)


def overhead(**_):
    """`fit_transform` beside the library's own, processor time, least of three."""
    import openTSNE
    import umap

    X = load_digits(return_X_y=True)[0]
    wide = np.random.default_rng(0).normal(size=(4000, 60)) @ np.random.default_rng(1).normal(
        size=(60, 1000)
    )
    iso = {"n_neighbors": 10, "n_components": 2}
    pairs = {
        "pca": (wide, {"n_components": 50}, lambda X: decomposition.PCA(50).fit_transform(X)),
        "lle": (X, {}, manifold.LocallyLinearEmbedding(**iso, random_state=0).fit_transform),
        "isomap": (X, {}, manifold.Isomap(**iso).fit_transform),
        "spectral": (
            X,
            {},
            manifold.SpectralEmbedding(2, n_neighbors=10, random_state=0).fit_transform,
        ),
        "tsne": (
            X,
            {},
            openTSNE.TSNE(random_state=0, negative_gradient_method="bh", theta=0.5, n_jobs=1).fit,
        ),
        "umap": (X, {}, umap.UMAP(random_state=0, n_jobs=1).fit_transform),
    }
    print("method | equatorium CPU s | directly CPU s | more")
    for name, (rows, options, direct) in pairs.items():
        ours, theirs = [], []
        direct(rows[:300])  # what is compiled on first use
        for _ in range(3):
            for times, run in (
                (ours, eq.embedder(name, **options).fit_transform),
                (theirs, direct),
            ):
                start = time.process_time()
                run(rows)
                times.append(time.process_time() - start)
        more = min(ours) / min(theirs) - 1
        print(f"{name} | {min(ours):.2f} | {min(theirs):.2f} | {more:+.1%}", flush=True)


def scale(rows=20_000, **_):
    """Rows of 4000 pixels in an HDF5 file: pca; a fifth missing: hmf; then t-SNE, and new rows."""
    p, k, rng, new = 4000, 10, np.random.default_rng(0), slice(0, 1000)
    V = np.linalg.qr(rng.normal(size=(p, k)))[0].T
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "rows.h5", "w") as file:
        shape, chunks = (rows, p), (500, p)
        whole = file.create_dataset("whole", shape=shape, dtype="f4", chunks=chunks)
        gappy = file.create_dataset("gappy", shape=shape, dtype="f4", chunks=chunks)
        for start in range(0, rows, 1000):
            Z = rng.normal(size=(1000, k)) * 10.0 / np.arange(1, k + 1)
            X = Z @ V + 0.05 * rng.normal(size=(1000, p))
            stop = start + len(X[: rows - start])
            whole[start:stop] = X[: stop - start]
            gappy[start:stop] = np.where(rng.random(X.shape) < 0.2, np.nan, X)[: stop - start]
        print(f"{rows} x {p}, float32 HDF5 | CPU s | wall s | peak memory so far GiB")
        for name, table in (("pca", whole), ("hmf", gappy)):
            cpu, wall = time.process_time(), time.time()
            model = eq.embedder(name, n_components=k).fit(table)
            _lap(f"{name}: fit", cpu, wall)
            cpu, wall = time.process_time(), time.time()
            scores = model.transform(table)
            _lap(f"{name}: transform", cpu, wall)
            left = model.inverse_transform(scores[new]) - table[new]
            print(f"   RMS of what is left, 1000 rows: {np.sqrt(np.nanmean(left**2)):.4f}")
        cpu, wall = time.process_time(), time.time()
        tsne = eq.embedder("tsne", n_jobs=2)
        tsne.fit(scores)
        _lap("tsne of the hmf scores: fit", cpu, wall)
        cpu, wall = time.process_time(), time.time()
        tsne.transform(scores[new] + 0.01 * rng.normal(size=(1000, k)))
        _lap("tsne: 1000 new rows", cpu, wall)


def _lap(name, cpu, wall):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name} | {time.process_time() - cpu:.0f} | {time.time() - wall:.0f} | {peak:.2f}",
        flush=True,
    )


PARTS = {
    "gaps": gaps,
    "spectra": spectra,
    "stale": stale,
    "digits": digits,
    "overhead": overhead,
    "scale": scale,
}


def main():
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20_000)
    options, _ = parser.parse_known_args()
    for part in options.part.split(","):
        print(f"-- {part}: {PARTS[part].__doc__.splitlines()[0]}", flush=True)
        PARTS[part](seeds=options.seeds, rows=options.rows)


if __name__ == "__main__":
    main()
