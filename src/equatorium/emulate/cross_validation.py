"""Compare methods on data: fit each on the same folds, predict what was left out, time it all."""

import time
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from equatorium.checks import FloatArray, Rng, finite, floats, generator, same_length
from equatorium.emulate.candidates import kept, models_of, task_of
from equatorium.emulate.comparison import Comparison
from equatorium.emulate.folds import group_labels
from equatorium.emulate.grouped import told
from equatorium.emulate.held_out import HeldOut, HeldOutClasses, Scale
from equatorium.emulate.scores import CLASSIFICATION, REGRESSION, check_bound, choose
from equatorium.errors import InputError, ShapeError
from equatorium.interfaces.emulator import Emulator
from equatorium.records.prediction import Categorical
from equatorium.records.runs import Runs

_BLOCK = 1000  # rows predicted at once: draws of a forest are large
Folds = list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]


class Table(NamedTuple):
    """Checked data: inputs, what is to be predicted, declared noise."""

    X: FloatArray
    y: npt.NDArray[Any]
    noise: FloatArray | None


def compare(
    methods: Any,
    data: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    scores: Iterable[str] | None = None,
    scale: Scale = None,
    outlier: float | None = None,
    simple: bool = True,
    rng: Rng = 0,
    progress: bool = False,
) -> Comparison:
    """Compare methods on data by cross-validation, the simple ones always among them.

    Parameters
    ----------
    methods : a method, a sequence of them, or a mapping of labels to methods
        Registered names, specs ``{"use": ..., "options": ...}``, models, or estimators of
        scikit-learn, whose regressors get a distribution by `Conformal`. All predict numbers, or
        all predict classes. ``mean`` (which ignores the inputs) and ``linear`` join in any case.
    data : Runs, or a tuple (X, y) or (X, y, noise)
        X (n, d), NaN where not observed; y (n,), (n, p), or labels (n,); noise as in
        `Emulator.fit`: methods that can learn with it do, and it is added before scoring.
    cv : int, splitter of scikit-learn, or iterable of pairs (train, test)
        An int deals rows at random, classes evenly.
    groups : array_like, shape (n,), optional
        Rows of one group (spectra of one supernova) are never on both sides, nor in two of the
        folds that composites, such as `Conformal`, deal of the rows to learn from. Of `Runs` those
        of the good ones.
    scores : iterable of str, optional
        See `score`; by default all. The first one ranks.
    scale, outlier
        See `score`.
    simple : bool
        Whether simple registered methods join too: ``polynomial``, ``knn``, ``local-linear``, or
        ``naive-bayes``, ``knn-classifier``.
    rng : int, Generator or None
        Deals the folds.
    progress : bool
        Show a bar.

    Returns
    -------
    Comparison
        A method that fails is listed with its reason, and the others go on.

    Raises
    ------
    InputError
        If data or methods are not what they should be, or none could be scored.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.uniform(-1, 1, (60, 2))
    >>> y = X[:, 0] + 0.5 * X[:, 1] + 0.1 * rng.normal(size=60)
    >>> result = compare([], (X, y), simple=False)
    >>> result.best, result.value("linear") < 0.5 * result.value("mean")
    ('linear', True)
    """
    methods, table = kept(methods), as_table(data)
    task = task_of(methods, table.y)
    table = _of_task(table, task)
    check_bound(outlier)
    if scale is not None and not callable(scale):
        raise InputError(f"scale must be a function, such as lambda z: 1 + z, not {scale!r}.")
    entries = models_of(methods, task, simple)
    groups = group_labels(groups, len(table.X))
    folds = split(table, cv, groups, task, generator(rng))
    chosen = choose(REGRESSION if task == "regression" else CLASSIFICATION, scores)
    held: dict[str, Any] = {}
    seconds, failures, remarks = {}, {}, {}
    bar = _bar(progress, len(entries) * len(folds))
    for label, model in entries.items():
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                parts = [_one_fold(model, table, fold, task, scale, bar, groups) for fold in folds]
        except Exception as error:  # a method may fail in any way; the others go on
            failures[label] = " ".join(f"{type(error).__name__}: {error}".split())
            continue
        found = [part for part, _ in parts]
        held[label] = type(found[0]).joined(found)
        seconds[label] = np.array([times for _, times in parts])
        texts = tuple(dict.fromkeys(" ".join(str(w.message).split())[:200] for w in caught))
        if texts:
            remarks[label] = texts
    if bar is not None:
        bar.close()
    if not held:
        raise InputError(f"No method could be scored: {failures}")
    test = [rows for _, rows in folds]
    return Comparison(
        task=task,
        scores=chosen,
        held=held,
        fold=np.repeat(np.arange(len(folds)), [len(rows) for rows in test]),
        row=np.concatenate(test),
        n_train=np.array([len(rows) for rows, _ in folds]),
        seconds=seconds,
        failures=failures,
        remarks=remarks,
        outlier=outlier,
    )


def as_table(data: Any) -> Table:
    """Check data: Runs (the good ones), or (X, y) or (X, y, noise)."""
    if isinstance(data, Runs):
        good = data.good
        return Table(good.space.to_unit(good.X), good.Y, good.noise)
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise InputError(f"data must be Runs, or (X, y) or (X, y, noise), not {data!r:.80}.")
    X, y = floats(data[0], "X"), np.asarray(data[1])
    noise = floats(data[2], "noise") if len(data) == 3 and data[2] is not None else None
    if X.ndim != 2 or y.ndim not in (1, 2) or not len(X):
        raise ShapeError(
            f"X must have shape (n, d) and y (n,) or (n, p), but they have {X.shape} and {y.shape}."
        )
    same_length(X=X, y=y, noise=noise)
    finite(X, "X", allow_nan=True)
    return Table(X, y, noise)


def _of_task(table: Table, task: str) -> Table:
    """Check what is to be predicted."""
    if task == "regression":
        table = table._replace(y=floats(table.y, "y"))
    elif table.y.ndim != 1 or table.noise is not None:
        raise ShapeError(
            f"Classes need labels y of shape (n,) and no noise, but y has shape {table.y.shape}"
            f"{' and noise is given' if table.noise is not None else ''}."
        )
    if table.y.dtype.kind == "f":
        finite(table.y, "y")
    return table


def split(table: Table, cv: Any, groups: Any, task: str, rng: np.random.Generator) -> Folds:
    """Deal the rows to folds: pairs of rows to learn from and rows to predict."""
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        if not 2 <= cv <= len(table.X):
            raise InputError(f"cv must be from 2 to the {len(table.X)} rows, but it is {cv}.")
        kinds = {
            ("regression", False): KFold,
            ("regression", True): GroupKFold,
            ("classification", False): StratifiedKFold,
            ("classification", True): StratifiedGroupKFold,
        }
        seed = int(rng.integers(2**31))
        cv = kinds[task, groups is not None](int(cv), shuffle=True, random_state=seed)
    if hasattr(cv, "get_n_splits"):
        cv = cv.split(table.X, table.y, groups)
    try:
        rows = np.arange(len(table.X))
        folds = [(_chosen(rows, train), _chosen(rows, test)) for train, test in cv]
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"cv does not give folds of these {len(table.X)} rows: {error}") from error
    if not folds or any(not len(train) or not len(test) for train, test in folds):
        raise InputError("cv must give at least one fold, each with rows on both sides.")
    for k, (train, test) in enumerate(folds):
        both = np.intersect1d(train, test)
        if len(both):
            raise InputError(
                f"cv must predict rows that were not learned from, but in fold {k} {len(both)} "
                f"are on both sides, such as row {both[0]}."
            )
        if groups is not None:
            both = np.intersect1d(groups[train], groups[test])
            if len(both):
                raise InputError(f"cv has group {both.tolist()[0]!r} on both sides of fold {k}.")
    return folds


def _chosen(rows: npt.NDArray[np.intp], given: Any) -> npt.NDArray[np.intp]:
    """Take rows by their numbers or by a mask."""
    index = np.asarray(given if isinstance(given, np.ndarray) else list(given))
    return rows[index] if index.size else rows[:0]


def predictions(model: Any, X: FloatArray) -> list[Any]:
    """Predict distributions of many rows, a block at a time."""
    blocks = np.array_split(X, -(-len(X) // _BLOCK))
    if hasattr(model, "predict_dist"):
        return [model.predict_dist(block) for block in blocks]
    return [Categorical(model.predict_proba(block), model.classes_.tolist()) for block in blocks]


def _one_fold(
    model: Any, table: Table, fold: Any, task: str, scale: Scale, bar: Any, groups: Any
) -> tuple[Any, tuple[float, float]]:
    """Fit a clone without a fold, and keep what scores need of its predictions."""
    train, test = fold
    X, y, noise = table
    start = time.perf_counter()
    fresh = clone(model)
    more: dict[str, Any] = {}
    if noise is not None and isinstance(fresh, Emulator) and "noise" in fresh.capabilities_:
        more["noise"] = noise[train]
    if groups is not None:
        more |= told(fresh, groups[train])
    fresh.fit(X[train], y[train], **more)
    middle = time.perf_counter()
    blocks = predictions(fresh, X[test])
    end = time.perf_counter()
    parts: list[Any] = []
    at = 0
    classes = np.unique(y).tolist() if task == "classification" else []
    spread = np.atleast_1d(y.std(axis=0)) if task == "regression" else None
    for block in blocks:
        rows = test[at : at + block.m]
        at += block.m
        if task == "classification":
            parts.append(HeldOutClasses.of(block, y[rows], classes))
        else:
            total = block if noise is None else block.with_noise(_wide(noise[rows], block.p))
            parts.append(HeldOut.of(total, y[rows], scale, spread))
    if bar is not None:
        bar.update()
    return type(parts[0]).joined(parts), (middle - start, end - middle)


def _wide(noise: FloatArray, p: int) -> FloatArray:
    """Give noise (m, p); of one value a run, every output has it."""
    columns = noise.reshape(len(noise), -1)
    return np.broadcast_to(columns, (len(noise), p)) if columns.shape[1] == 1 else columns


def _bar(progress: bool, total: int) -> Any:
    if not progress:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="comparing", unit=" fits")
