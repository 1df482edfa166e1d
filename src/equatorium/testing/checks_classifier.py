"""What classifiers must do: probabilities of labels, of any type, that agree with what they say."""

from typing import Any

import numpy as np

from equatorium.records.prediction import Categorical
from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for


@check_for("classifier")
def probabilities_sum_to_one(case: Case) -> None:
    """Probabilities (m, c) lie between 0 and 1, and those of a row sum to 1."""
    task = case.task()
    P = case.fitted(task).predict_proba(task.query)
    expect(P.shape == (len(task.query), 3), f"they are of shape {P.shape} for 3 classes")
    expect(np.isfinite(P).all() and (P >= 0).all(), "some are negative, or not finite")
    expect(
        np.allclose(P.sum(axis=1), 1.0, rtol=0.0, atol=1e-9),
        "a row does not sum to 1",
    )


@check_for("classifier")
def labels_come_back_as_they_were(case: Case) -> None:
    """Labels may be text or numbers; classes_ holds them sorted, predict gives the likeliest."""
    task = case.task()
    codes: Any = np.unique(task.y, return_inverse=True)[1]
    for y in (task.y, 10 * codes + 5):
        model = case.make().fit(task.X, y)
        expect(np.array_equal(model.classes_, np.unique(y)), f"classes_ is {model.classes_!r}")
        found = model.predict(task.query)
        likeliest = model.classes_[np.argmax(model.predict_proba(task.query), axis=1)]
        expect(np.array_equal(found, likeliest), "predict does not give the likeliest label")


@check_for("classifier")
def its_distribution_is_its_probabilities(case: Case) -> None:
    """`predict_dist` is a Categorical over the classes with the probabilities of predict_proba."""
    task = case.task()
    model = case.fitted(task)
    got = model.predict_dist(task.query)
    expect(isinstance(got, Categorical), f"predict_dist gives a {type(got).__name__}")
    same = np.allclose(got.probabilities, model.predict_proba(task.query), atol=1e-12)
    expect(same, "its probabilities are not those of predict_proba")
    expect(list(got.classes) == model.classes_.tolist(), "its classes are not classes_")


@check_for("classifier")
def it_tells_separate_clouds_apart(case: Case) -> None:
    """Three clouds of points six standard deviations apart are told apart nine times in ten."""
    task, fresh = case.task(), case.task(seed=3, n=90)
    right = float((case.fitted(task).predict(fresh.X) == fresh.y).mean())
    expect(right > 0.9, f"only {100 * right:.0f} % of the labels are right")
