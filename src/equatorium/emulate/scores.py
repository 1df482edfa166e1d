r"""Scores of predictions: one module for every type of them.

Of numbers, with the error :math:`e = (\hat y - y) / \mathrm{scale}(y)`:

=============  ==========================================================================
``crps``       continuous ranked probability score: error and honesty in one, in y's unit
``rmse``       :math:`\sqrt{\langle e^2 \rangle}`
``nmad``       :math:`1.4826\,\mathrm{median}|e - \mathrm{median}\,e|`
``bias``       :math:`\langle e \rangle`
``outliers``   share with \|e\| above a bound, by default 5 ``nmad``
``pit``        greatest distance of the PIT values' distribution from uniform
``coverage``   share inside the central 90 % interval
``log_score``  mean log density, in nats
``sharpness``  root mean predicted variance: the ``rmse`` that the method itself expects
=============  ==========================================================================

Of classes, with probabilities :math:`\pi`:

=====================  ==================================================================
``brier``              :math:`\langle \sum_c (\pi_c - 1[y = c])^2 \rangle`
``accuracy``           share of the most probable classes that are right
``balanced_accuracy``  the same in each class, averaged over classes
``mcc``                Matthews' correlation coefficient
``auc``                area under the ROC curve, each class against the rest, averaged
``ece``                expected calibration error of the most probable class, 15 bins
``log_score``          mean log probability, of at least 1e-15
=====================  ==================================================================

References
----------
Gneiting & Raftery 2007, JASA 102, 359, doi:10.1198/016214506000001437. Guo et al. 2017,
arXiv:1706.04599 (ECE). Gorodkin 2004, Computational Biology and Chemistry 28, 367,
doi:10.1016/j.compbiolchem.2004.09.006 (the correlation coefficient of several classes).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from equatorium.checks import FloatArray
from equatorium.emulate.held_out import HeldOut, HeldOutClasses, Scale
from equatorium.errors import InputError, UnknownNameError, did_you_mean
from equatorium.records.prediction import Categorical, Prediction

LEVEL = 0.9
_BINS = 15
_LEAST = 1e-15


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes
    ----------
    heading : str
    better : {"low", "high", "zero", "level", ""}
        What is good: "zero" and "level" are values to be near to; "" judges nothing.
    of : callable
        Maps what was held out, and options, to numbers (p,) or one number.
    has_unit : bool
        Whether it is in the unit of y.
    """

    heading: str
    better: str
    of: Callable[..., Any]
    has_unit: bool = False

    def loss(self, value: Any) -> Any:
        """Map values to numbers of which the least is the best; NaN where nothing is judged."""
        if self.better == "low":
            return value
        if self.better == "high":
            return -value
        if self.better == "zero":
            return np.abs(value)
        return np.abs(value - LEVEL) if self.better == "level" else np.full_like(value, np.nan)


def nmad(error: Any) -> FloatArray:
    """Normalised median absolute deviation over the first axis.

    >>> float(nmad([0.0, 1.0, 2.0, 3.0, 100.0]).round(4))
    1.4826
    """
    error = np.asarray(error, dtype=np.float64)
    return np.asarray(1.4826 * np.median(np.abs(error - np.median(error, axis=0)), axis=0))


def pit_deviation(pit: Any) -> FloatArray:
    """Kolmogorov-Smirnov distance of PIT values from uniform, over the first axis."""
    pit = np.sort(np.asarray(pit, dtype=np.float64), axis=0)
    n = len(pit)
    rank = np.arange(n).reshape(-1, *[1] * (pit.ndim - 1))
    return np.asarray(np.maximum((rank + 1) / n - pit, pit - rank / n).max(axis=0))


def ks_bound(n: int, probability: float = 0.95) -> float:
    """`pit_deviation` that n honest predictions stay below with this probability.

    >>> round(ks_bound(5000), 4)
    0.0192
    """
    return float(stats.kstwo.ppf(probability, n))


def _outliers(held: HeldOut, outlier: float | None) -> FloatArray:
    bound = 5 * nmad(held.error) if outlier is None else outlier
    return np.asarray(np.mean(np.abs(held.error) > bound, axis=0))


def _balanced(held: HeldOutClasses) -> float:
    predicted = held.probability.argmax(axis=1)
    present = np.unique(held.truth)
    return float(np.mean([np.mean(predicted[held.truth == c] == c) for c in present]))


def _indicators(held: HeldOutClasses) -> FloatArray:
    return np.eye(len(held.classes))[held.truth]


def _auc(held: HeldOutClasses) -> float:
    """Area under the ROC curve; NaN if a class is missing."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(held.truth)) < max(2, len(held.classes)):
        return float("nan")
    if len(held.classes) == 2:
        return float(roc_auc_score(held.truth, held.probability[:, 1]))
    return float(roc_auc_score(_indicators(held), held.probability, average="macro"))


def _mcc(held: HeldOutClasses) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(held.truth, held.probability.argmax(axis=1)))


def _ece(held: HeldOutClasses) -> float:
    confidence = held.probability.max(axis=1)
    right = held.probability.argmax(axis=1) == held.truth
    place = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gap = np.bincount(place, right - confidence, _BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _log_probability(held: HeldOutClasses) -> float:
    own = held.probability[np.arange(len(held.truth)), held.truth]
    return float(np.log(np.maximum(own, _LEAST)).mean())


REGRESSION: Mapping[str, Score] = MappingProxyType(
    {
        "crps": Score("CRPS", "low", lambda h, _: h.crps.mean(axis=0), has_unit=True),
        "rmse": Score("RMSE", "low", lambda h, _: np.sqrt(np.mean(h.error**2, axis=0)), True),
        "nmad": Score("NMAD", "low", lambda h, _: nmad(h.error), has_unit=True),
        "bias": Score("bias", "zero", lambda h, _: h.error.mean(axis=0), has_unit=True),
        "outliers": Score("outliers", "low", _outliers),
        "pit": Score("PIT dev.", "low", lambda h, _: pit_deviation(h.pit)),
        "coverage": Score(
            f"in {100 * LEVEL:g} %",
            "level",
            lambda h, _: np.mean(np.abs(h.pit - 0.5) <= LEVEL / 2, axis=0),
        ),
        "log_score": Score("log score", "high", lambda h, _: h.log_density.mean(axis=0)),
        "sharpness": Score("sharpness", "", lambda h, _: np.sqrt(np.mean(h.std**2, axis=0)), True),
    }
)
CLASSIFICATION: Mapping[str, Score] = MappingProxyType(
    {
        "brier": Score(
            "Brier",
            "low",
            lambda h, _: np.mean(np.sum((h.probability - _indicators(h)) ** 2, axis=1)),
        ),
        "accuracy": Score(
            "accuracy", "high", lambda h, _: np.mean(h.probability.argmax(axis=1) == h.truth)
        ),
        "balanced_accuracy": Score("balanced", "high", lambda h, _: _balanced(h)),
        "mcc": Score("MCC", "high", lambda h, _: _mcc(h)),
        "auc": Score("AUC", "high", lambda h, _: _auc(h)),
        "ece": Score("ECE", "low", lambda h, _: _ece(h)),
        "log_score": Score("log score", "high", lambda h, _: _log_probability(h)),
    }
)


def check_bound(outlier: Any) -> None:
    """Refuse a bound of outliers that is none."""
    number = isinstance(outlier, int | float | np.number)
    if outlier is not None and not (number and outlier > 0):
        raise InputError(f"outlier must be a positive error, or None, but it is {outlier!r:.80}.")


def choose(known: Mapping[str, Score], names: Iterable[str] | None) -> tuple[str, ...]:
    """Check names of scores; None chooses all."""
    if names is None:
        return tuple(known)
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in known:
            raise UnknownNameError(
                f"there is no score {name!r} for this kind of prediction."
                f"{did_you_mean(str(name), known)} Known: {', '.join(known)}."
            )
    if not chosen:
        raise InputError(f"scores must name at least one of {', '.join(known)}.")
    return chosen


def score(
    prediction: Prediction,
    y: Any,
    scores: Iterable[str] | None = None,
    *,
    scale: Scale = None,
    outlier: float | None = None,
) -> dict[str, Any]:
    """Score predictions of numbers or of classes against what came.

    Parameters
    ----------
    prediction : Prediction
        At m points.
    y : array_like, shape (m,) or (m, p); labels (m,) for a Categorical
        Declared noise of y is added by the caller, `Prediction.with_noise`.
    scores : iterable of str, optional
        Their names, see the module; by default all.
    scale : callable, optional
        Of the true values: what errors are divided by, ``lambda z: 1 + z`` for redshifts. It acts
        on ``rmse``, ``nmad``, ``bias`` and ``outliers`` alone: a score of a distribution that is
        weighted by the truth would reward predicting something else.
    outlier : float, optional
        An error beyond this is an outlier; by default 5 times the NMAD.

    Returns
    -------
    dict
        Score by name: numbers, or arrays (p,) for several outputs.

    Examples
    --------
    >>> from equatorium.records.prediction import Categorical
    >>> probability = Categorical([[0.9, 0.1], [0.4, 0.6]], ["star", "galaxy"])
    >>> score(probability, ["star", "star"], ["accuracy", "brier"])
    {'accuracy': 0.5, 'brier': 0.37}
    """
    if not isinstance(prediction, Prediction):
        raise InputError(
            f"prediction must be a Prediction, such as predict_dist gives, but it is of type "
            f"{type(prediction).__name__}."
        )
    check_bound(outlier)
    if isinstance(prediction, Categorical):
        held: Any = HeldOutClasses.of(prediction, y)
        known = CLASSIFICATION
    else:
        held, known = HeldOut.of(prediction, y, scale), REGRESSION
    found = {name: evaluate(known[name], held, outlier) for name in choose(known, scores)}
    return {k: float(v[0]) if v.size == 1 else v for k, v in found.items()}


def evaluate(one: Score, held: HeldOut | HeldOutClasses, outlier: float | None) -> FloatArray:
    """Evaluate a score: one number an output, shape (p,)."""
    return np.atleast_1d(np.asarray(one.of(held, outlier), dtype=np.float64))


def confusion(held: HeldOutClasses) -> npt.NDArray[np.intp]:
    """Count objects of class i (rows) that are called j, shape (c, c)."""
    c = len(held.classes)
    flat = held.truth * c + held.probability.argmax(axis=1)
    return np.bincount(flat, minlength=c * c).reshape(c, c)


def roc(held: HeldOutClasses, label: Any) -> tuple[FloatArray, FloatArray]:
    """ROC curve of one class against the rest: false and true positive rates."""
    from sklearn.metrics import roc_curve

    if label not in held.classes:
        raise UnknownNameError(f"{label!r} is not one of the classes {list(held.classes)}.")
    c = held.classes.index(label)
    false, true, _ = roc_curve(held.truth == c, held.probability[:, c])
    return np.asarray(false), np.asarray(true)
