"""Many embedders on the same rows: one call, one table."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import get_tags

from equatorium import registry
from equatorium.checks import FloatArray, Rng, floats, generator, same_length
from equatorium.embed.quality import continuity, hidden_chi2, neighbourhood_hit, trustworthiness
from equatorium.errors import EquatoriumError, InputError


@dataclass(frozen=True, eq=False)
class EmbedderScore:
    """How one embedder did; NaN is what does not apply to it.

    Attributes
    ----------
    name : str
    Z : ndarray, shape (n, k)
        Coordinates of all rows; those held out are placed by `transform`.
    trustworthiness, continuity : float
        Of the rows that it was fitted on.
    hit : float
        Share of neighbours with the same label, of the same rows.
    accuracy : float
        Share of held-out rows whose label their nearest fitted rows tell.
    unexplained : float
        Mean squared error of held-out rows there and back, over their variance.
    chi2 : float
        Of pixels that were hidden from it, see `hidden_chi2`.
    seconds : float
        Processor time of `fit`.
    notes : str
        Which ways are fallbacks; or why there are no numbers.
    """

    name: str
    Z: FloatArray
    trustworthiness: float = np.nan
    continuity: float = np.nan
    hit: float = np.nan
    accuracy: float = np.nan
    unexplained: float = np.nan
    chi2: float = np.nan
    seconds: float = np.nan
    notes: str = ""


@dataclass(frozen=True, eq=False)
class EmbedderComparison:
    """What `compare_embedders` found; printing it gives the table.

    Attributes
    ----------
    scores : tuple of EmbedderScore
    labels : ndarray, shape (n,), or None
    held : ndarray of bool, shape (n,)
        Rows that were held out.
    n_neighbors : int
    """

    scores: tuple[EmbedderScore, ...]
    labels: Any
    held: Any
    n_neighbors: int

    def __getitem__(self, name: str) -> EmbedderScore:
        """Return the score of one embedder."""
        return {score.name: score for score in self.scores}[name]

    def __str__(self) -> str:
        columns = ("trustworthiness", "continuity", "hit", "accuracy", "unexplained", "chi2")
        head = ["embedder", "trust", "contin.", "hit", "k-NN acc.", "unexpl.", "chi2", "CPU s"]
        rows = [head]
        for score in self.scores:
            numbers = [getattr(score, column) for column in columns]
            cells = ["-" if np.isnan(x) else f"{x:.3f}" for x in numbers]
            rows.append([score.name, *cells, f"{score.seconds:.2f}"])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        notes = ["", *(score.notes for score in self.scores)]
        lines = [
            "  ".join(
                cell.rjust(w) if i else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(lines, notes, strict=True))


def compare_embedders(
    embedders: Mapping[str, Any] | Iterable[Any],
    X: Any,
    *,
    ivar: Any = None,
    labels: Any = None,
    held_out: float = 0.25,
    n_neighbors: int = 5,
    rng: Rng = 0,
) -> EmbedderComparison:
    """Fit embedders on the same rows and score what they make of them, and of held-out ones.

    Parameters
    ----------
    embedders : mapping or iterable of embedders
        Embedders, or what they are registered as; a mapping's keys name the rows of the table.
        scikit-learn's pipelines, such as `hmf` then `tsne`, are embedders here.
    X : array_like, shape (n, p)
        NaN where not observed.
    ivar : array_like, shape (n, p), optional
        Given to those that can use it.
    labels : array_like, shape (n,), optional
        Classes, for ``hit`` and ``accuracy``.
    held_out : float
        Share of rows to hold out.
    n_neighbors : int
    rng : int, Generator or None
        For the choice of held-out rows and hidden pixels.

    Returns
    -------
    EmbedderComparison

    Examples
    --------
    ::

        eq.compare_embedders(["pca", "lle", "tsne"], X, labels=y)
        eq.plots.compared_embeddings(comparison)
    """
    X, rng = floats(X, "X"), generator(rng)
    weight = None if ivar is None else floats(ivar, "ivar")
    labels = None if labels is None else np.asarray(labels)
    n = same_length(X=X, ivar=weight, labels=labels)
    if not 0 < held_out < 1 or not 1 <= int(held_out * n) < n - 2 * n_neighbors:
        raise InputError(f"held_out={held_out!r} of {n} rows leaves too few on one side.")
    held = np.zeros(n, dtype=bool)
    held[rng.permutation(n)[: int(held_out * n)]] = True
    seed = int(rng.integers(2**31))
    scores = [
        _scored(name, embedder, X, weight, labels, held, n_neighbors, seed)
        for name, embedder in _named(embedders)
    ]
    return EmbedderComparison(tuple(scores), labels, held, n_neighbors)


def _named(embedders: Any) -> list[tuple[str, Any]]:
    if isinstance(embedders, Mapping):
        return [(str(name), _made(one)) for name, one in embedders.items()]
    pairs = [(one if isinstance(one, str) else _name(one), _made(one)) for one in embedders]
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise InputError(f"Embedders of the same name: give a mapping of names, not {names}.")
    return pairs


def _made(embedder: Any) -> Any:
    return registry.embedder(embedder) if isinstance(embedder, str) else clone(embedder)


def _name(embedder: Any) -> str:
    if hasattr(embedder, "steps"):
        return " + ".join(_name(step) for _, step in embedder.steps)
    entry = registry.entry_of(type(embedder))
    return type(embedder).__name__ if entry is None else entry.name


def _scored(
    name: str,
    embedder: Any,
    X: FloatArray,
    ivar: FloatArray | None,
    labels: Any,
    held: Any,
    k: int,
    seed: int,
) -> EmbedderScore:
    able: frozenset[str] = getattr(embedder, "capabilities_", frozenset())
    weighs = ivar is not None and bool({"noise", "missing"} & able)
    given = [{"ivar": ivar[rows]} if weighs and ivar is not None else {} for rows in (~held, held)]
    if ivar is not None and (not weighs or "missing" not in able):
        gaps = get_tags(embedder).input_tags.allow_nan
        X = np.where(ivar > 0, X, np.nan) if gaps or not (ivar > 0).all() else X
    start = time.process_time()
    try:
        model = embedder.fit(X[~held], **given[0])
        seconds = time.process_time() - start
        fitted = getattr(model, "embedding_", None)
        fitted = model.transform(X[~held], **given[0]) if fitted is None else fitted
        placed = model.transform(X[held], **given[1])
    except (EquatoriumError, ValueError) as error:
        return EmbedderScore(name, np.empty((0, 0)), notes=str(error).split(". ")[0])
    Z = np.empty((len(X), fitted.shape[1]))
    Z[~held], Z[held] = fitted, placed
    found: dict[str, float] = {"seconds": seconds}
    if np.isfinite(X).all() and (ivar is None or (ivar > 0).all()):
        found["trustworthiness"] = trustworthiness(X[~held], fitted, k)
        found["continuity"] = continuity(X[~held], fitted, k)
    if labels is not None:
        found["hit"] = neighbourhood_hit(fitted, labels[~held], k)
        teller = KNeighborsClassifier(k).fit(fitted, labels[~held])
        found["accuracy"] = float(teller.score(placed, labels[held]))
    if hasattr(model, "inverse_transform"):
        found["unexplained"] = _unexplained(X, ivar, held, model.inverse_transform(placed))
    if {"missing", "inverse"} <= able:
        found["chi2"] = hidden_chi2(embedder, X, ivar, rng=seed)
    fallbacks = sorted(word.split(":")[1] for word in able if word.startswith("fallback:"))
    notes = f"fallback: {', '.join(fallbacks)}" if fallbacks else ""
    return EmbedderScore(name, Z, notes=notes, **found)


def _unexplained(X: FloatArray, ivar: FloatArray | None, held: Any, back: FloatArray) -> float:
    seen = np.isfinite(X) if ivar is None else ivar > 0
    count = np.maximum(seen[~held].sum(axis=0), 1)
    mean = np.where(seen, X, 0.0)[~held].sum(axis=0) / count
    weight = np.where(seen, 1.0 if ivar is None else ivar, 0.0)[held]
    values = np.where(seen, X, 0.0)[held]
    return float((weight * (values - back) ** 2).sum() / (weight * (values - mean) ** 2).sum())
