"""What simulators must do: say what goes in and out, run, repeat themselves, know their options."""

import json
from typing import Any

import numpy as np

from equatorium.errors import EquatoriumError
from equatorium.records.covariance import Covariance
from equatorium.records.observation import Observation
from equatorium.records.outputs import Outputs
from equatorium.records.space import Space
from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for


@check_for("simulator")
def it_says_what_goes_in_and_out(case: Case) -> None:
    """Name, version, space, outputs, shared covariance and options are what they should be."""
    made = case.make()
    for name in ("name", "version"):
        text = getattr(made, name, None)
        expect(isinstance(text, str) and text, f"its {name} is {text!r}, not a text")
    expect(isinstance(made.space, Space), f"its space is a {type(made.space).__name__}")
    expect(isinstance(made.outputs, Outputs), f"its outputs are a {type(made.outputs).__name__}")
    shared = made.covariance
    if shared is not None:
        expect(isinstance(shared, Covariance), f"its covariance is a {type(shared).__name__}")
        p = made.outputs.p
        expect(shared.p == p, f"its covariance is of {shared.p} outputs, it has {p}")


@check_for("simulator")
def a_run_gives_finite_numbers(case: Case) -> None:
    """At the defaults a run gives p finite values, and variances that are not negative."""
    made = case.make()
    run = made.evaluate(made.space.defaults, rng=1)
    expect(np.isfinite(run.values).all(), "a run at the defaults gives NaN or infinity")
    if run.variance is not None:
        good = np.isfinite(run.variance).all() and (run.variance >= 0).all()
        expect(good, "a run's variance is negative, or not finite")
    try:
        json.dumps(dict(run.info), allow_nan=False)
    except (TypeError, ValueError) as error:
        expect(False, f"the info of a run has no form in a file: {error}")


@check_for("simulator")
def the_same_generator_gives_the_same_run(case: Case) -> None:
    """The same theta and seed give the same values, also from an object made anew."""
    first, again = case.make(), case.make()
    theta = first.space.defaults
    runs = [made.evaluate(theta, rng=11).values for made in (first, first, again)]
    expect(np.array_equal(runs[0], runs[1]), "a second run with the same seed differs")
    expect(np.array_equal(runs[0], runs[2]), "a run of an object made anew differs")


@check_for("simulator")
def a_run_leaves_theta_alone(case: Case) -> None:
    """A run does not change the array of parameters that it was given."""
    made = case.make()
    theta = np.array(made.space.defaults)
    before = theta.copy()
    made(theta, rng=np.random.default_rng(1))
    expect(np.array_equal(theta, before), "theta has been changed")


@check_for("simulator")
def a_wrong_theta_is_refused(case: Case) -> None:
    """Too few or too many parameters raise an error of this library."""
    made = case.make()
    theta = np.asarray(made.space.defaults)
    for wrong in (theta[:-1], np.append(theta, 1.0)):
        try:
            made.evaluate(wrong, rng=1)
        except EquatoriumError:
            continue
        expect(False, f"{wrong.size} parameters are accepted where there are {theta.size}")


@check_for("simulator")
def options_decide_its_identity(case: Case) -> None:
    """`identity` is the same for the same options, and another for other ones."""
    made = case.make()
    expect(made.identity() == case.make().identity(), "the same options have two identities")
    for name, value in made.options.items():
        other = _another(case, name, value)
        same = other is not None and other.identity() == made.identity()
        expect(not same, f"another {name!r} leaves identity() as it was: old runs would be kept")


@check_for("simulator")
def its_observations_can_be_read(case: Case) -> None:
    """Each observation that it brings can be read, and is of quantities that it puts out."""
    made = case.make()
    for name in made.observations:
        found = made.observed(name)
        expect(isinstance(found, Observation), f"{name!r} is a {type(found).__name__}")
        odd = set(found.coords) - set(made.outputs.coords)
        expect(not odd, f"{name!r} has coordinates {sorted(odd)}, which its outputs lack")


@check_for("simulator", "noise")
def runs_bring_their_variance(case: Case) -> None:
    """With the capability ``noise`` every run says how uncertain its values are."""
    made = case.make()
    for seed in range(2):
        run = made.evaluate(made.space.defaults, rng=seed)
        expect(run.variance is not None, "a run says nothing of its variance")
        expect((run.variance > 0).any(), "a run says that its variance is 0")


def _another(case: Case, name: str, value: Any) -> Any:
    """Make one whose option is another, if a guess is allowed; None where no guess helps."""
    if isinstance(value, bool):
        guesses: tuple[Any, ...] = (not value,)
    elif isinstance(value, int):
        guesses = (value + 1, value - 1)
    elif isinstance(value, float):
        guesses = (1.1 * value + 0.01, 0.9 * value)
    else:
        return None
    for guess in guesses:
        try:
            return case.make(**{name: guess})
        except EquatoriumError:
            continue
    return None
