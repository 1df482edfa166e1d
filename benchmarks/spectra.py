"""Labels of observed stars: neighbours, a Gaussian process, and a spectral emulator by emcee.

    EQUATORIUM_DATA=... python -m benchmarks.spectra [--splits 10] [--stars 200]

MILES (Sanchez-Blazquez et al. 2006; labels of Cenarro et al. 2007), stars with all three labels,
ten random splits into 80 % and 20 %; all stars, and those of 4000 < Teff < 8000 K.

1. k-NN (5, by inverse distance) and a Gaussian process (gp, of a rough and a smooth kernel, with
   a constant trend: hot stars lie at the edge, where a linear one leads astray) on the same 25
   principal components of the flux: errors of log Teff, log g, [Fe/H]; gains are paired over
   splits, with their standard error. Kernels and trend were chosen by cross-validation within the
   training stars of two splits. Of a star unlike all others the process knows that it knows
   nothing, and gives the mean. ``near`` are its answers on the way from a star to its neighbours
   (`nearby`; how near, by cross-validation within the training stars, see RESULTS.md for what was
   tried), ``both`` weighs process and neighbours by their precisions.
2. Embedded(pca, trend-gp) from labels to the continuum-normalised flux of 3900 to 7500 Angstrom in
   pixels of 4.5. Stars of equal labels differ, some by much more than most: those that
   leave-one-out errors call strange (``outliers``) do not train, and errors follow Student's t,
   with the degrees of freedom and the scale that make the errors of all training stars likeliest.
   Coverage of the pixels' 68 % intervals over all held-out stars, with a band by a bootstrap over
   stars; the t of pixels is that of training stars' left-out pixels, from components found without
   them.
3. Labels of held-out stars by emcee, from their spectra compressed to components, with that t and
   the density of the training stars as the prior; beside the catalogue, with its errors (100 K,
   0.2 dex, 0.1 dex) added to the posterior's, and without. No spectrum tells that a label is a
   blunder: also with a share of each label that is as any star's, the likeliest for those of the
   training stars; and with those errors of the catalogue that make training stars likeliest.

What is finished is kept in ``results/spectra`` and not done again.
"""

import argparse
import json
import os
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import minimize
from scipy.special import gammaln
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors

import equatorium as eq
from equatorium.errors import NotConvergedWarning

FOLDER = os.environ.get("EQUATORIUM_DATA", Path(__file__).resolve().parents[2] / "shared/data")
NAMES = ("log Teff", "log g", "[Fe/H]")
CATALOGUE = (100.0, 0.2, 0.1)  # K, dex, dex
COMPONENTS = 25
KERNELS = ["matern12", "scale(matern52) + scale(rbf)"]  # mixed by their leave-one-out densities
Tail = tuple[float, float]  # degrees of freedom of a t, and by what it multiplies variances
SPACE = eq.Space(
    [
        eq.Parameter("teff", 4000, 8000, "log"),
        eq.Parameter("logg", 0.0, 5.5),
        eq.Parameter("feh", -3.0, 1.7),
    ]
)


def stars(cool: bool, normalised: bool = False) -> tuple[np.ndarray, eq.Spectra]:
    """Labels (n, 3) and spectra in pixels of 4.5 Angstrom."""
    file = np.load(Path(FOLDER) / "spectra" / "miles_stars.npz")
    labels = np.column_stack([file["teff"], file["logg"], file["feh"]]).astype(float)
    good = np.isfinite(labels).all(axis=1)
    if cool:
        good &= (labels[:, 0] > 4000) & (labels[:, 0] < 8000)
    spectra = eq.Spectra(file["wave"], file["flux"][good], medium="air", names=file["name"][good])
    spectra = spectra.resampled(spectra.wavelength[2::5][:-1])
    return labels[good], spectra.select(3900, 7500).normalised(3) if normalised else spectra


def logged(labels: np.ndarray) -> np.ndarray:
    """Log Teff in place of Teff."""
    return np.column_stack([np.log10(labels[:, 0]), labels[:, 1:]])


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(n)
    return order[: int(0.8 * n)], order[int(0.8 * n) :]


def by_components(seed: int, cool: bool) -> dict:
    """Errors of neighbours and of a Gaussian process on one split."""
    labels, spectra = stars(cool)
    y = logged(labels)
    train, test = split(len(y), seed)
    pca = eq.embedder("pca", n_components=COMPONENTS).fit(spectra.flux[train])
    a, b = pca.transform(spectra.flux[train]), pca.transform(spectra.flux[test])
    near = KNeighborsRegressor(5, weights="distance")
    off = cross_val_predict(near, a, y[train], cv=20) - y[train]
    near, near_std = near.fit(a, y[train]).predict(b), np.sqrt(np.mean(off**2, axis=0))
    width = a.std(axis=0)  # a few hot stars lie far out
    gp = eq.emulator("gp", kernels=KERNELS, trends=["constant"], sharing="components")
    gp.set_params(random_state=0).fit(np.arcsinh(a / width), y[train])
    mean, std = gp.predict(np.arcsinh(b / width), return_std=True)
    weight = near_std**2 / (near_std**2 + std**2)
    means = {"k-NN": near, "gp": mean, "both": weight * mean + (1 - weight) * near}
    points, weights = nearby(a, b)
    means["near"] = sum(
        w[:, None] * gp.predict(np.arcsinh(x / width)) for x, w in zip(points, weights, strict=True)
    )
    errors = {name: found - y[test] for name, found in means.items()}
    found = {
        name: {"rmse": np.sqrt(np.mean(e**2, axis=0)), "median": np.median(np.abs(e), axis=0)}
        for name, e in errors.items()
    }
    return {**found, "z2": np.mean((errors["gp"] / std) ** 2, axis=0)}


def nearby(a: np.ndarray, b: np.ndarray, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Points (5, m, k) between stars b (m, k) and their neighbours among a (n, k), and weights.

    A star that is farther from a neighbour than this share of a are from their nearest is moved
    towards it as far as that; weights are by inverse distance.
    """
    neighbours = NearestNeighbors(n_neighbors=5).fit(a)
    radius = np.quantile(neighbours.kneighbors(n_neighbors=1)[0], share)  # not from themselves
    distance, index = (found.T for found in neighbours.kneighbors(b))
    step = radius / np.maximum(distance, radius)
    weights = 1 / np.maximum(distance, 1e-12)
    return a[index] + (b - a[index]) * step[:, :, None], weights / weights.sum(axis=0)


class Scaled(eq.Emulator):
    """A fitted emulator, its covariance so many times what it says."""

    capabilities = frozenset({"variance", "covariance"})

    def __init__(self, emulator=None, scale=1.0):
        self.emulator = emulator
        self.scale = scale

    def _fit(self, X, Y, noise):
        """Nothing: the emulator is fitted."""

    def _predict_dist(self, X):
        own = self.emulator.predict_dist(X)
        return eq.Gaussian(own.mean, own.cov().scaled(np.sqrt(self.scale)))


def trained(labels: np.ndarray, spectra: eq.Spectra) -> tuple[eq.Surrogate, Tail, Tail]:
    """An emulator, and the t that its errors follow: those of components, those of pixels."""
    emulator = eq.Embedded(
        eq.embedder("pca", n_components=COMPONENTS),
        eq.emulator("trend-gp", kernel="matern52", random_state=0),
    )
    runs = eq.Runs(SPACE, spectra.outputs, labels, spectra.flux)
    surrogate = eq.Surrogate.fitted(runs, emulator)
    strange = surrogate.emulator.emulator_.outliers()
    sound = np.setdiff1d(np.arange(runs.n), strange)
    surrogate = eq.Surrogate.fitted(runs.subset(sound), emulator)
    gp, pca = surrogate.emulator.emulator_, surrogate.emulator.embedder_
    z, rest = pca.transform(spectra.flux), spectra.flux - unseen(spectra.flux, sound)
    squared, of_pixels = [], []
    apart = gp.predict_dist(SPACE.to_unit(labels[strange]))
    for rows, own in ((sound, gp.loo()), (strange, apart)):
        error = z[rows] - own.mean
        squared.append(own.cov().mahalanobis(error))
        variance = pca.inverse_dist(own).variance + surrogate.emulator.truncation_
        of_pixels.append((error @ pca.components_ + rest[rows]) ** 2 / variance)
    tail = tails(np.concatenate(squared), COMPONENTS)
    return surrogate, tail, tails(np.concatenate(of_pixels).ravel(), 1)


def unseen(flux: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Every spectrum from components that were learned without it, in five folds."""
    again, fold = np.empty_like(flux), np.arange(len(flux)) % 5
    for k in range(5):
        learn = sound[fold[sound] != k]
        pca = eq.embedder("pca", n_components=COMPONENTS).fit(flux[learn])
        again[fold == k] = pca.inverse_transform(pca.transform(flux[fold == k]))
    return again


def tails(squared: np.ndarray, k: int) -> Tail:
    """Degrees of freedom and scale of the likeliest t in k dimensions."""

    def minus_log_density(x):
        nu, scale = np.exp(x)
        each = np.log1p(squared / (nu * scale)) * (nu + k) / 2 + k / 2 * np.log(nu * scale)
        return each.sum() - squared.size * (gammaln((nu + k) / 2) - gammaln(nu / 2))

    nu, scale = np.exp(minimize(minus_log_density, [1.5, -1.0], method="Nelder-Mead").x)
    return float(nu), float(scale)


def emulated(seed: int) -> dict:
    """Pixels of held-out stars inside their 68 % intervals, and rough labels."""
    labels, spectra = stars(cool=True, normalised=True)
    train, test = split(len(labels), seed)
    surrogate, (nu, scale), of_pixels = trained(labels[train], spectra[train])
    seen = surrogate.predict(labels[test])
    u = (spectra.flux[test] - seen.mean) / seen.std / np.sqrt(of_pixels[1])
    pit = stats.t(of_pixels[0]).cdf(u)
    prior = Prior(labels[train], scaled(surrogate, scale), nu)
    components = surrogate.emulator.embedder_.transform(spectra.flux)
    known = prior.posterior(components[train])
    rows, far = compared(*known, labels[train]), 2 * prior.labels.std(axis=0)
    return {
        "stars": test,
        "coverage": (np.abs(pit - 0.5) < 0.34).mean(axis=1),
        "t": [nu, scale, *of_pixels],
        "blunders": blunders(known, labels[train], prior),
        "widths": [likeliest_widths(rows[:, :, j], far[j]) for j in range(len(NAMES))],
        "prior": [prior.labels.mean(axis=0), prior.labels.std(axis=0)],
        "rows": compared(*prior.posterior(components[test]), labels[test]),
    }


def inferred(seed: int, many: int) -> dict:
    """Labels of the first held-out stars of a split by emcee."""
    labels, spectra = stars(cool=True, normalised=True)
    train, test = split(len(labels), seed)
    surrogate, (nu, scale), _ = trained(labels[train], spectra[train])
    wide = scaled(surrogate, scale)
    prior = Prior(labels[train], wide, nu)
    found = []
    for i in test[:many]:
        observation = eq.Observation(
            spectra.flux[i], np.full(spectra.p, 0.005), spectra.outputs.coords
        )
        small = eq.compressed(surrogate, observation)
        likelihood = eq.StudentLikelihood(
            eq.Surrogate(SPACE, small.surrogate.outputs, wide),
            small.observation,
            df=nu,
            override="judged by its pixels' PIT",
        )
        posterior = eq.Posterior(SPACE, likelihood, prior=prior.log_density)
        sampler = eq.sampler(
            "emcee", walkers=8, until={"rhat": 1.1, "ess": 60}, first_check=60, max_steps=480
        )
        starts = prior.starts(small.observation.values, int(i))
        draws = logged(sampler.run(posterior, rng=int(i), progress=False, starts=starts).flat)
        found.append([draws.mean(axis=0), draws.std(axis=0)])
    return {
        "names": [spectra.names[i] for i in test[:many]],
        "rows": compared(*np.swapaxes(found, 0, 1), labels[test[:many]]),
    }


def compared(mean: np.ndarray, std: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Means and standard deviations beside the catalogue and its errors, (n, 4, 3)."""
    return np.stack([mean, std, logged(labels), error_of(labels)], axis=1)


def error_of(labels: np.ndarray) -> np.ndarray:
    """Errors of the catalogue, of log Teff in place of Teff."""
    errors = np.tile(CATALOGUE, (len(labels), 1))
    errors[:, 0] /= labels[:, 0] * np.log(10)
    return errors


def scaled(surrogate: eq.Surrogate, scale: float) -> Scaled:
    """The emulator of the components."""
    wide = Scaled(surrogate.emulator.emulator_, scale)
    return wide.fit(SPACE.sample(2, 0), np.zeros((2, COMPONENTS)))


class Prior:
    """The density of the training stars, and draws of it with what the emulator says of them."""

    def __init__(self, labels: np.ndarray, emulator: eq.Emulator, nu: float, size: int = 5000):
        self.density = stats.gaussian_kde(SPACE.to_unit(labels).T)
        unit = self.density.resample(size, seed=0).T
        unit = unit[((unit > 0) & (unit < 1)).all(axis=1)]
        self.theta, self.nu = SPACE.from_unit(unit), nu
        self.labels = logged(self.theta)
        predicted = emulator.predict_dist(unit)
        self.factor = np.linalg.inv(np.linalg.cholesky(predicted.cov().dense()))
        self.mean = (self.factor @ predicted.mean[:, :, None])[:, :, 0]
        self.log_det = -np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(axis=1)

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        return self.density.logpdf(SPACE.to_unit(theta).T)

    def weights(self, components: np.ndarray) -> np.ndarray:
        """Weights of the draws for one star."""
        squared = np.square(self.factor @ components - self.mean).sum(axis=1)
        log_w = -self.log_det - (self.nu + COMPONENTS) / 2 * np.log1p(squared / self.nu)
        w = np.exp(log_w - log_w.max())
        return w / w.sum()

    def starts(self, components: np.ndarray, seed: int) -> np.ndarray:
        """Where chains may start: by weight, one in ten by the prior."""
        rng, w = np.random.default_rng(seed), self.weights(components)
        return self.theta[rng.choice(len(w), 400, p=0.9 * w + 0.1 / len(w))]

    def posterior(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of the labels of stars, from weighted draws."""
        w = np.stack([self.weights(z) for z in components])
        mean = w @ self.labels
        return mean, np.sqrt(np.maximum(w @ self.labels**2 - mean**2, 0.0))


def blunders(
    found: tuple[np.ndarray, np.ndarray], labels: np.ndarray, prior: Prior, steps: int = 200
) -> np.ndarray:
    """Likeliest shares (3,) of catalogue labels that are as any star's, by EM."""
    spread = np.hypot(found[1], error_of(labels))
    near = stats.norm.pdf(logged(labels), found[0], spread)
    far = stats.norm.pdf(logged(labels), prior.labels.mean(axis=0), prior.labels.std(axis=0))
    share = np.full(3, 0.05)
    for _ in range(steps):
        share = np.mean(share * far / (share * far + (1 - share) * near), axis=0)
    return share


def kept(path: Path, make, *args) -> dict:
    """Read a result, or make and keep it."""
    if not path.exists():
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            result = make(*args)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, default=lambda array: array.tolist()))
        print(f"   {path.stem}: {time.process_time() - started:.0f} CPU s", flush=True)
    return json.loads(path.read_text())


def print_components(results: list[dict], title: str) -> None:
    print(f"\n{title}, {len(results)} splits: k-NN, another, gain +- standard error")
    for other, score in product(("gp", "near", "both"), ("rmse", "median")):
        near, new = (np.array([r[m][score] for r in results]) for m in ("k-NN", other))
        gain = near - new
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else gain[0] * 0
        for j, name in enumerate(NAMES):
            print(
                f"  {other:4s} {score:6s} {name:9s} {near[:, j].mean():.4f} "
                f"{new[:, j].mean():.4f} {gain[:, j].mean():+.4f} +- {error[j]:.4f}"
            )


def print_pixels(results: list[dict]) -> None:
    """Stars held out in several splits are drawn together."""
    star = np.concatenate([r["stars"] for r in results])
    share = np.concatenate([r["coverage"] for r in results])
    times = np.bincount(star)
    total, times = np.bincount(star, share)[times > 0], times[times > 0]
    draws = np.random.default_rng(0).choice(times.size, (4000, times.size))
    low, high = np.quantile(total[draws].sum(axis=1) / times[draws].sum(axis=1), [0.005, 0.995])
    print(
        f"\nPixels of {share.size} held-out spectra of {times.size} stars: 68 % intervals hold "
        f"{100 * share.mean():.1f} % (99 % by bootstrap over stars: {100 * low:.1f} to "
        f"{100 * high:.1f} %)"
    )


def print_inferred(results: list[dict], splits: list[dict], title: str) -> None:
    rows = np.concatenate([np.array(r["rows"]) for r in results])
    each = [len(r["rows"]) for r in results]
    share = np.repeat([s["blunders"] for s in splits], each, axis=0)
    factor = np.repeat(np.array([s["widths"] for s in splits])[:, :, 1], each, axis=0)
    far, width = np.repeat([s["prior"] for s in splits], each, axis=0).swapaxes(0, 1)
    mean, std, true, error = rows.swapaxes(0, 1)
    n, none = len(rows), np.zeros((len(rows), 3))
    low, high = (k / n for k in stats.binom.interval(0.99, n, 0.68))
    print(f"Labels of {n} held-out stars {title}; the 99 % band of 68 % is {low:.3f} to {high:.3f}")
    print(f"  blunders {', '.join(f'{100 * s:.1f}' for s in share.mean(axis=0))} %")
    print(
        f"  errors of training stars {', '.join(f'{f:.2f}' for f in factor.mean(axis=0))} of these"
    )
    for case, one, s in (
        ("posterior alone", std, none),
        ("with catalogue errors", np.hypot(std, error), none),
        ("and its blunders", np.hypot(std, error), share),
        ("errors as in training", np.hypot(std, factor * error), none),
        ("and blunders", np.hypot(std, factor * error), share),
    ):
        pit = (1 - s) * stats.norm.cdf(true, mean, one) + s * stats.norm.cdf(true, far, width)
        middle = (1 - s) * mean + s * far
        variance = (1 - s) * (one**2 + (mean - middle) ** 2)
        variance += s * (width**2 + (far - middle) ** 2)
        z2 = (true - middle) ** 2 / variance
        for j, name in enumerate(NAMES):
            print(
                f"  {case:21s} {name:9s} coverage {np.mean(np.abs(pit[:, j] - 0.5) < 0.34):.3f}, "
                f"mean z2 {z2[:, j].mean():.2f}, median {np.median(z2[:, j]):.2f}"
            )
        print(
            f"  {case:21s} pooled    coverage {np.mean(np.abs(pit - 0.5) < 0.34):.3f}, "
            f"mean z2 {z2.mean():.2f}"
        )
    for j, name in enumerate(NAMES):
        rmse, sd = np.sqrt(np.mean((mean - true)[:, j] ** 2)), np.median(std[:, j])
        print(f"  {name:9s} rmse {rmse:.4f}, median standard deviation {sd:.4f}")


def likeliest_widths(rows: np.ndarray, far: float) -> np.ndarray:
    """Factors of the posterior's variance and of the catalogue's error, and a share of blunders.

    Stars whose posteriors are wide and those where they are narrow tell the two apart: for rows
    (n, 4) of one label, its deviations are likeliest with these.
    """
    mean, std, true, error = rows.T

    def minus_log_density(x):
        scale, factor, share = np.exp(x)
        near = stats.norm.pdf(mean - true, 0, np.sqrt(scale * std**2 + (factor * error) ** 2))
        wild = stats.norm.pdf(mean - true, 0, far)
        return -np.log(np.maximum((1 - share) * near + share * wild, 1e-300)).sum()

    return np.exp(minimize(minus_log_density, [0.0, 0.0, -4.0], method="Nelder-Mead").x)


def print_widths(splits: list[dict]) -> None:
    """Standard errors are by a bootstrap over stars."""
    rows = np.concatenate([np.array(s["rows"]) for s in splits])
    _, star = np.unique(np.concatenate([s["stars"] for s in splits]), return_inverse=True)
    far = 2 * np.mean([s["prior"][1] for s in splits], axis=0)
    places = [np.flatnonzero(star == k) for k in range(star.max() + 1)]
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(places), len(places)) for _ in range(40)]
    print("Likeliest factors: posterior's variance, catalogue's error; share of blunders")
    for j, name in enumerate(NAMES):
        found = likeliest_widths(rows[:, :, j], far[j])
        again = [
            likeliest_widths(rows[np.concatenate([places[k] for k in draw]), :, j], far[j])
            for draw in draws
        ]
        pairs = zip(found, np.std(again, axis=0), strict=True)
        print(f"  {name:9s} " + ", ".join(f"{x:.2f} +- {e:.2f}" for x, e in pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--stars", type=int, default=200, help="held-out stars in all")
    parser.add_argument("--folder", type=Path, default=Path("results/spectra"))
    args, _ = parser.parse_known_args()
    if not (Path(FOLDER) / "spectra" / "miles_stars.npz").exists():
        print("MILES is not at hand: set EQUATORIUM_DATA")
        return
    for cool, title in ((True, "4000 < Teff < 8000 K"), (False, "All stars")):
        name = "cool" if cool else "all"
        results = [
            kept(args.folder / f"components-{name}-{s}.json", by_components, s, cool)
            for s in range(args.splits)
        ]
        print_components(results, title)
    folds, many = range(args.splits), -(-args.stars // args.splits)
    splits = [kept(args.folder / f"emulated-{s}.json", emulated, s) for s in folds]
    print_pixels(splits)
    print_inferred(splits, splits, "by weighted draws of the prior")
    print_widths(splits)
    results = [kept(args.folder / f"inferred-{s}-{many}.json", inferred, s, many) for s in folds]
    print_inferred(results, splits, "by emcee")


if __name__ == "__main__":
    main()
