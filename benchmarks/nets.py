"""Networks: time beside plain PyTorch and skorch, accuracy on real data.

    python -m benchmarks.nets [--folds 2] [--device cuda] [part ...]

Parts: ``overhead`` (training beside plain PyTorch's and skorch's, where it is installed: the same
architecture, batches and AdamW; and a committee of ten beside ten trainings), ``photoz`` (`mdn` on
5000 SDSS galaxies, five folds), ``digits`` and ``mnist`` (one `cnn-classifier`; digits with three
seeds, also under attack), ``supernovae`` (`mlp-classifier` beside `forest-classifier` on the same
components, ten splits by supernova). Times are CPU seconds of one thread, the least of several.
``throughput``, only if asked for: examples learned and predicted per second of a clock on one
thread of the CPU, and on `--device`, with the ratio of the two.
"""

import argparse
import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit, KFold

import equatorium as eq
from equatorium.emulate.validate import crps
from equatorium_nets.adversarial import sensitivity
from equatorium_nets.cnn import CNNClassifier
from equatorium_nets.layers import network
from equatorium_nets.mlp import MLPClassifier

DENSE = "dense(64) silu dense(64) silu"
COMPONENTS = 40
SEEDS = 3  # of networks on digits, where one seed scatters by 0.02
ROUNDS = 6  # the least of so many counts; other work on the machine only ever adds


def data():
    """Return the folder of the data."""
    root = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("EQUATORIUM_DATA", root))


def clocked(action):
    """Return what it returns, and its CPU seconds."""
    start = time.process_time()
    return action(), time.process_time() - start


def drawn(layers, shape, outputs):
    """Return a plain network."""
    made = network(layers, shape, outputs).to_empty(device="cpu")
    for part in made.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return made


def plain(layers, shape, X, codes, epochs):
    """Train as a tutorial of PyTorch does; return the network."""
    made, classes = drawn(layers, shape, codes.max() + 1), torch.from_numpy(codes)
    x = torch.as_tensor(X, dtype=torch.float32).reshape(-1, *shape)
    optimiser = torch.optim.AdamW(made.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), 32):
            rows = order[start : start + 32]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(made(x[rows]), classes[rows]).backward()
            optimiser.step()
    return made


def with_skorch(layers, shape, X, codes, epochs):
    """Train with skorch, silent and without its validation split."""
    from skorch import NeuralNetClassifier

    model = NeuralNetClassifier(
        drawn(layers, shape, codes.max() + 1),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-2,
        lr=1e-3,
        batch_size=32,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return model.fit(X.astype(np.float32).reshape(-1, *shape), codes)


def ours(layers, shape, X, codes, epochs, members=1):
    """Train members at once."""
    kind = MLPClassifier if len(shape) == 1 else CNNClassifier
    how = {"learning_rate": 1e-3, "batch_size": 32, "schedule": "constant", "validation": 0.0}
    how |= {"patience": None, "random_state": 0, "n_members": members, "epochs": epochs}
    return kind(layers=layers, shape=None if len(shape) == 1 else shape, **how).fit(X, codes)


def judge_overhead(_):
    """Print times beside plain PyTorch and skorch, the rounds interleaved."""
    X, codes = load_digits(return_X_y=True)
    problems = {
        "dense, digits": (DENSE, (64,), 24),
        "convolutions, digits": (CNNClassifier.LAYERS, (1, 8, 8), 6),
    }
    print("| network | plain s | ours / plain | skorch / plain | ten at once s | ten apart / |")
    print("|---|---|---|---|---|---|")
    for name, (layers, shape, epochs) in problems.items():
        how = (layers, shape, X / 16, codes, epochs)
        runs = {"plain": plain, "ours": ours}
        if importlib.util.find_spec("skorch") is not None:
            runs["skorch"] = with_skorch
        runs["ten"] = lambda *how: ours(*how, members=10)
        seconds = dict.fromkeys(runs, np.inf)
        for _ in range(ROUNDS):
            for label, run in runs.items():
                seconds[label] = min(seconds[label], clocked(lambda run=run, how=how: run(*how))[1])
        base = seconds["plain"]
        print(
            f"| {name} | {base:.2f} | {seconds['ours'] / base:.2f} "
            f"| {seconds.get('skorch', np.nan) / base:.2f} | {seconds['ten']:.2f} "
            f"| {10 * seconds['ours'] / seconds['ten']:.1f} |",
            flush=True,
        )


def judge_photoz(options):
    """Print the scores of `mdn` with its own settings."""
    table = np.loadtxt(data() / "tables" / "photoz_sdss_mgs_train.txt.gz")
    X, y = table[:, 1:10], table[:, 0]  # magnitudes, colours; redshifts
    found = []
    for learn, test in list(KFold(5, shuffle=True, random_state=0).split(X))[: options.folds]:
        model, seconds = clocked(lambda i=learn: eq.network("mdn", random_state=0).fit(X[i], y[i]))
        prediction, truth = model.predict_dist(X[test]), y[test, None]
        error = (prediction.mean[:, 0] - y[test]) / (1 + y[test])
        found.append((error, crps(prediction, truth)[:, 0], prediction.cdf(truth)[:, 0]))
        print(f"  fit {seconds:.0f} s, {len(model.history_['loss'])} epochs", flush=True)
    d, c, pit = (np.concatenate(part) for part in zip(*found, strict=True))
    nmad = 1.4826 * np.median(np.abs(d - np.median(d)))
    print(f"photo-z: sigma {d.std():.5f}, NMAD {nmad:.4f}, CRPS {c.mean():.5f}, ", end="")
    print(
        f"PIT deviation {stats.kstest(pit, 'uniform').statistic:.4f} (n = {len(pit)})", flush=True
    )


def split(X, y, test):
    """Return learn and test rows of a shuffled set."""
    order = np.random.default_rng(0).permutation(len(X))
    return X[order[test:]], y[order[test:]], X[order[:test]], y[order[:test]]


def judge_digits(_):
    """Print accuracies, clean, in noise and under attack; and of a network trained against it."""
    X, y = load_digits(return_X_y=True)
    X, y, query, truth = split(X / 16, y, 450)
    for adversarial in (0.0, 0.1 / X.std()):
        for seed in range(SEEDS):
            how = {"n_members": 1, "adversarial": adversarial, "random_state": seed}
            model = CNNClassifier(shape=(1, 8, 8), **how)
            _, seconds = clocked(lambda model=model: model.fit(X, y))
            found = sensitivity(model, query, truth, (0.1,))
            print(
                f"digits, adversarial={adversarial:.2f}, seed {seed}: clean "
                f"{found.attacked[0]:.4f}, FGSM(0.1) {found.attacked[1]:.4f}, random signs "
                f"{found.noisy[1]:.4f}, fit {seconds:.0f} s, {len(model.history_['loss'])} epochs",
                flush=True,
            )


def judge_mnist(_):
    """Print the accuracy on 2000 images."""
    with np.load(data() / "images" / "mnist_10k.npz") as file:
        X, y = file["image"].reshape(10000, -1) / 255.0, file["label"]
    X, y, query, truth = split(X, y, 2000)
    how = {"n_members": 1, "random_state": 0}
    model, seconds = clocked(lambda: CNNClassifier(shape=(1, 28, 28), **how).fit(X, y))
    right = (model.predict(query) == truth).mean()
    print(f"MNIST: accuracy {right:.4f} of 2000, fit {seconds:.0f} s", flush=True)


def supernovae():
    """Return clipped spectra, the main types Ia, Ib, Ic and II, and the groups to split by."""
    with np.load(data() / "spectra" / "supernovae.npz") as file:
        flux, group = np.clip(file["flux"].astype(float), -3.0, 3.0), file["group"]
        kind = np.array([name[:2] for name in file["type"]])  # IIP -> II, Ia-norm -> Ia
    return flux, kind, group


def judge_supernovae(options):
    """Print the scores of a network less those of a forest, paired over splits."""
    X, y, group = supernovae()
    rows = []
    splits = list(GroupShuffleSplit(10, random_state=0).split(X, y, group))
    for learn, test in splits[: 2 * options.folds]:
        pca = PCA(COMPONENTS, random_state=0).fit(X[learn])
        scores = []
        for name in ("forest-classifier", "mlp-classifier"):
            model = eq.classifier(name, random_state=0).fit(pca.transform(X[learn]), y[learn])
            found = model.predict(pca.transform(X[test]))
            scores.append(((found == y[test]).mean(), balanced_accuracy_score(y[test], found)))
        rows.append(scores)
    rows = np.array(rows)
    for k, name in enumerate(("accuracy", "balanced accuracy")):
        gain = rows[:, 1, k] - rows[:, 0, k]
        error = stats.sem(gain)
        print(
            f"supernova types, {name}: forest {rows[:, 0, k].mean():.4f}, network "
            f"{rows[:, 1, k].mean():.4f}, difference {gain.mean():.4f} +- {error:.4f}",
            flush=True,
        )


# What is fed -> method, shape of an example.
FED = {
    "images 1 x 28 x 28, cnn": ("cnn", (1, 28, 28)),
    "images 3 x 128 x 128, resnet of 34 layers": ("resnet", (3, 128, 128)),
    "spectra of 4000 pixels, cnn": ("cnn", (1, 4000)),
}


def rates(name, shape, device, n):
    """Return examples learned and predicted a second: n of them, once to warm up and once timed."""
    X = np.random.default_rng(0).normal(size=(n, np.prod(shape)))
    how = {"shape": shape, "n_members": 1, "batch_size": min(128, n), "validation": 0.0}
    seconds = {}
    for epochs in (1, 1, 3):  # to warm up; what a fit costs besides its epochs is in both others
        model = eq.network(name, **how, epochs=epochs, device=device, random_state=0)
        start = time.perf_counter()
        model.fit(X, X[:, 0])
        seconds[epochs] = time.perf_counter() - start
    model.predict(X)
    start = time.perf_counter()
    model.predict(X)
    return 2 * n / (seconds[3] - seconds[1]), n / (time.perf_counter() - start)


def judge_throughput(options):
    """Print a table of rates."""
    print("| examples | device | learned / s | predicted / s | times the CPU |")
    print("|---|---|---|---|---|")
    for label, (name, shape) in FED.items():
        n = {28: 4096, 128: 64, 4000: 512}[shape[-1]]
        base = rates(name, shape, "cpu", n)
        print(f"| {label} | cpu | {base[0]:.0f} | {base[1]:.0f} | |", flush=True)
        if options.device != "cpu":
            found = rates(name, shape, options.device, 16 * n)
            ratio = " and ".join(f"{a / b:.0f}" for a, b in zip(found, base, strict=True))
            told = f"| {found[0]:.0f} | {found[1]:.0f} | {ratio} |"
            print(f"| {label} | {options.device} {told}", flush=True)


PARTS = {
    "overhead": judge_overhead,
    "photoz": judge_photoz,
    "digits": judge_digits,
    "mnist": judge_mnist,
    "supernovae": judge_supernovae,
    "throughput": judge_throughput,
}


def main():
    """Judge what is asked for, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--folds", type=int, default=5, help="of five, how many to do")
    parser.add_argument("--device", default="cpu", help="of the throughput")
    options, _ = parser.parse_known_args()
    torch.set_num_threads(1)
    for part in options.parts or [name for name in PARTS if name != "throughput"]:
        start = time.perf_counter()
        PARTS[part](options)
        print(f"({part}: {time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
