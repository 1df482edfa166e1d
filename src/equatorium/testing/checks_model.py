"""What emulators, classifiers and embedders share: they learn, forget, refuse, stay the same."""

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.utils.estimator_checks import estimator_checks_generator

from equatorium.errors import EquatoriumError, InputError
from equatorium.records.base import same
from equatorium.testing.case import Case, NotHere, answers, differences, expect
from equatorium.testing.declared import check_for


@check_for("model")
def scikit_learn_accepts_it(case: Case) -> None:
    """It passes scikit-learn's own checks of estimators, every one."""
    failed = []
    for estimator, check in estimator_checks_generator(case.make()):
        try:
            check(estimator)
        except SkipTest:
            continue
        except Exception as error:
            name = getattr(getattr(check, "func", check), "__name__", str(check))
            text = str(error).strip().split("\n")[0]
            failed.append(f"{name}: {type(error).__name__}: {text}")
    expect(not failed, f"{len(failed)} of scikit-learn's checks fail:\n" + "\n".join(failed))


@check_for("model")
def fit_returns_the_model(case: Case) -> None:
    """`fit` gives back the model itself, so that calls can be chained."""
    model = case.make()
    expect(model.fit(*case.task().given) is model, "fit does not return self")


@check_for("model")
def the_same_seed_gives_the_same_numbers(case: Case) -> None:
    """Two models with the same options, fitted on the same data, agree in every bit."""
    query = case.task().query
    odd = differences(answers(case.fitted(), query), answers(case.fitted(), query))
    expect(not odd, f"a second fit with the same seed differs: {', '.join(odd)}")


@check_for("model")
def a_second_fit_forgets_the_first(case: Case) -> None:
    """A model that was fitted on other data before learns the same as a new one."""
    first, second = case.task(seed=1, n=25), case.task()
    again = case.fitted(first).fit(*second.given)
    odd = differences(answers(case.fitted(second), second.query), answers(again, second.query))
    expect(not odd, f"what was learned depends on an earlier fit: {', '.join(odd)}")


@check_for("model")
def data_are_left_alone(case: Case) -> None:
    """Neither fitting nor asking changes the arrays that were handed in."""
    task = case.task()
    given, query = task.given, task.query.copy()
    answers(case.make().fit(*given), query)
    same = all(map(np.array_equal, given, task.given)) and np.array_equal(query, task.query)
    expect(same, "an array that was handed in has been changed")


@check_for("model")
def arrays_that_change_later_change_no_model(case: Case) -> None:
    """A fitted model keeps its answers and its state when arrays that it was given change."""
    task = case.task()
    given, query = list(task.given), task.query.copy()
    noise = {}
    if "noise" in case.capabilities:
        noise = {"ivar" if task.y is None else "noise": np.full(given[-1].shape, 1e-4)}
    model = case.make().fit(*given, **noise)
    before, state = answers(model, query), copy.deepcopy(_plain(model))
    for array in (*given, *noise.values(), query):
        array[:] = array.flat[0]
    odd = differences(before, answers(model, task.query))
    expect(not odd, f"it answers otherwise: {', '.join(odd)}")
    expect(same(state, _plain(model)), "its state holds an array that was handed in")


@check_for("model")
def asking_changes_nothing(case: Case) -> None:
    """The same question gets the same answer, however often and whatever was asked between."""
    task = case.task()
    model = case.fitted(task)
    first = answers(model, task.query)
    answers(model, task.X)
    odd = differences(first, answers(model, task.query))
    expect(not odd, f"asked again, it answers otherwise: {', '.join(odd)}")


@check_for("model")
def what_is_not_finite_is_refused(case: Case) -> None:
    """NaN and infinity raise InputError, in fit and after, and None in y; NaN in X may be a gap."""
    task, missing = case.task(), "missing" in case.capabilities
    for value in (np.inf,) if missing else (np.nan, np.inf):
        X, query = task.X.copy(), task.query.copy()
        X[3, 1] = query[2, 0] = value
        rest = task.given[1:]
        _refused(lambda X=X, rest=rest: case.make().fit(X, *rest), f"{value} in X")  # type: ignore[misc]
        model = case.fitted(task)
        _refused(lambda query=query, model=model: answers(model, query), f"{value} in a query")  # type: ignore[misc]
    if task.y is not None and task.y.dtype.kind == "f":
        for value in (np.nan, np.inf):
            y = task.y.copy()
            y[3, 1] = value
            _refused(lambda y=y: case.make().fit(task.X.copy(), y), f"{value} in y")  # type: ignore[misc]
    if task.y is not None:
        labels = task.y.astype(object)
        labels[3] = None
        _refused(lambda: case.make().fit(task.X.copy(), labels), "None in y")


@check_for("model")
def another_number_of_columns_is_named(case: Case) -> None:
    """Asked with another number of columns, it raises an error that names both numbers."""
    task = case.task()
    model, d = case.fitted(task), task.X.shape[1]
    try:
        answers(model, np.hstack([task.query, task.query[:, :1]]))
    except EquatoriumError as error:
        text = str(error)
        expect(str(d) in text and str(d + 1) in text, f"its error does not name both: {text}")
        return
    expect(False, f"fitted on {d} columns, it accepts {d + 1}")


@check_for("model")
def a_row_alone_is_as_in_a_batch(case: Case) -> None:
    """One row is enough to ask, and gets what it gets among others, to rounding."""
    task = case.task()
    model = case.fitted(task)
    whole, alone = answers(model, task.query), answers(model, task.query[:1])
    for name, values in whole.items():
        if values.dtype.kind != "f":
            same = bool((alone[name] == values[:1]).all())
        else:
            size = float(np.abs(values).max()) + 1e-300
            same = alone[name].shape == values[:1].shape and bool(
                np.allclose(alone[name], values[:1], rtol=1e-8, atol=1e-8 * size)
            )
        expect(same, f"{name} of a row alone differs from that of the row among others")


@check_for("model")
def the_state_makes_the_same_model(case: Case) -> None:
    """`set_state(get_state())` of a fitted model gives one that answers bit for bit the same."""
    task = case.task()
    model = case.fitted(task)
    state = copy.deepcopy(dict(model.get_state()))
    twin = case.make().set_state(state)
    odd = differences(answers(model, task.query), answers(twin, task.query))
    expect(not odd, f"a model made from the state differs: {', '.join(odd)}")


@check_for("model", "gpu")
def cuda_gives_the_same_numbers(case: Case) -> None:
    """A state fitted on the CPU gives, on CUDA, the same numbers to a millionth of their size."""
    torch: Any = sys.modules.get("torch" if case.cls else "")
    if torch is None or not torch.cuda.is_available():
        raise NotHere("torch finds no CUDA device here")
    task = case.task()
    model = case.fitted(task)
    twin = case.make(device="cuda").set_state(model.get_state())
    cpu, gpu = answers(model, task.query), answers(twin, task.query)
    for name, values in cpu.items():
        if values.dtype.kind == "f":
            off = float(np.abs(gpu[name] - values).max() / (np.abs(values).max() + 1e-300))
            expect(off < 1e-6, f"{name} on CUDA is off by {off:.1g} of its size")
    again = answers(case.make(device="cuda").fit(*task.given), task.query)
    kinds = {name: (a.shape, a.dtype.kind, type(a)) for name, a in cpu.items()}
    found = {name: (a.shape, a.dtype.kind, type(a)) for name, a in again.items()}
    expect(kinds == found, "fitted on CUDA, it answers in other shapes or types")


def _refused(action: Callable[[], object], what: str) -> None:
    try:
        action()
    except InputError:
        return
    except Exception as error:
        expect(False, f"{what} raises {type(error).__name__} instead of InputError: {error}")
    expect(False, f"{what} is accepted")


def _plain(state: Any) -> Any:
    """Give a state with the states of models in place of the models."""
    if hasattr(state, "get_state"):
        return _plain(state.get_state())
    if isinstance(state, Mapping):
        return {key: _plain(value) for key, value in state.items()}
    return [_plain(value) for value in state] if isinstance(state, list | tuple) else state
