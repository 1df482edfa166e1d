"""Who takes part in a comparison: methods by name, spec, model or scikit-learn estimator.

The simple methods always do. Often one of them is good enough, and what beats none of them is of
no use.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equatorium import registry
from equatorium.emulate.conformal import Conformal
from equatorium.errors import EquatoriumError, InputError
from equatorium.interfaces.classifier import Classifier
from equatorium.interfaces.emulator import Emulator

# Registered methods that join where they are installed.
SIMPLE: Mapping[str, tuple[str, ...]] = {
    "regression": ("polynomial", "knn", "local-linear"),
    "classification": ("naive-bayes", "knn-classifier"),
}
_ROLE = {"regression": "emulator", "classification": "classifier"}


def kept(given: Any) -> Any:
    """Keep what an iterator yields, which can be read but once; all else is passed through."""
    return list(given) if isinstance(given, Iterator) else given


def models_of(methods: Any, task: str, simple: bool) -> dict[str, Any]:
    """Make unfitted models of all that is given, by label.

    Parameters
    ----------
    methods : a method, a sequence of them, or a mapping of labels to methods
        A method is a registered name, a spec, a model, or an estimator of scikit-learn: regressors
        get a distribution by `Conformal`, as emulators without a variance do.
    task : {"regression", "classification"}
    simple : bool
        Whether registered simple methods join; ``mean`` and ``linear`` always do.
    """
    named = _named(methods)
    if simple:
        known = {name for entry in registry.methods(_ROLE[task]) for name in entry.names}
        named += [(name, name) for name in SIMPLE[task] if name in known]
    found: dict[str, Any] = {}
    for label, method in named:
        model = _model(method, task)
        label = _label(method) if label is None else label
        if label in found and method is label:
            continue  # a simple method that was asked for anyway
        alone, k = label, 1
        while label in found:
            k += 1
            label = f"{alone} ({k})"
        found[label] = model
    for label, model in _baselines(task).items():
        found.setdefault(label, model)
    return found


def task_of(methods: Any, y: Any) -> str:
    """Tell whether numbers or classes are to be predicted."""
    kinds = {_kind(method) for _, method in _named(methods)}
    if kinds == {"regression", "classification"}:
        raise InputError(
            "methods holds some that predict numbers and some that predict classes: compare them "
            "apart."
        )
    if kinds:
        return kinds.pop()
    return "classification" if y.dtype.kind in "OUSb" else "regression"


def _named(methods: Any) -> list[tuple[str | None, Any]]:
    if isinstance(methods, Mapping) and "use" not in methods:
        return [(str(label), method) for label, method in methods.items()]
    single = isinstance(methods, str | Mapping) or not isinstance(methods, Iterable)
    if single or hasattr(methods, "fit"):  # an ensemble of scikit-learn is iterable
        return [(None, methods)]
    return [(None, method) for method in methods]


def _kind(method: Any) -> str:
    if isinstance(method, str | Mapping):
        name = method if isinstance(method, str) else str(method.get("use"))
        emulators = {n for e in registry.methods("emulator") for n in (*e.names, e.qualname)}
        classifiers = {n for e in registry.methods("classifier") for n in (*e.names, e.qualname)}
        if name in classifiers and name not in emulators:
            return "classification"
        if name not in emulators:
            registry.get("emulator", name)  # raises, with a did-you-mean
        return "regression"
    _made(method)
    return "classification" if is_classifier(method) else "regression"


def _model(method: Any, task: str) -> Any:
    model = _made(registry.from_spec(_ROLE[task], method))
    if task == "classification" and (isinstance(model, Classifier) or is_classifier(model)):
        if hasattr(model, "predict_proba"):
            return model
        raise InputError(
            f"{model!r:.80} gives no probabilities, which all scores need: wrap it in "
            f"sklearn.calibration.CalibratedClassifierCV."
        )
    if task == "regression" and isinstance(model, Emulator):
        return model if "variance" in model.capabilities_ else Conformal(model)
    if task == "regression" and is_regressor(model):
        return Conformal(model)
    what = "an emulator or a regressor" if task == "regression" else "a classifier"
    raise InputError(f"A method to compare must be {what}, but this is {method!r:.80}.")


def _made(method: Any) -> Any:
    """Return a model if it is one."""
    if isinstance(method, type) or not hasattr(method, "get_params"):
        raise InputError(
            f"A method to compare is a registered name, a spec, a model, or an estimator of "
            f"scikit-learn (an object, no class), but this is {method!r:.80}."
        )
    return method


def _label(method: Any) -> str:
    """Name a method as short as can be: options only if it was given with them."""
    if isinstance(method, str):
        return method
    if isinstance(method, Mapping):
        options = ", ".join(f"{k}={_short(v)}" for k, v in method.get("options", {}).items())
        return f"{method['use']}({options})" if options else str(method["use"])
    steps = getattr(method, "steps", None)
    if steps:  # a pipeline
        return "+".join(type(step).__name__ for _, step in steps)
    try:
        return registry.name_of(type(method)).rpartition("/")[2]
    except EquatoriumError:
        return type(method).__name__


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "use" in value:
        return str(value["use"])
    return value if isinstance(value, str) else repr(value)


def _baselines(task: str) -> dict[str, Any]:
    """Return what must be beaten: ignoring the inputs, and straight lines."""
    if task == "regression":
        return {
            "mean": Conformal(make_pipeline(SimpleImputer(), DummyRegressor())),
            "linear": Conformal(make_pipeline(SimpleImputer(), LinearRegression())),
        }
    logistic = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
    return {"mean": DummyClassifier(), "linear": logistic}
