"""Running the checks: as a parametrised test of pytest, or as a list of results without it."""

import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from equatorium.errors import InputError, did_you_mean
from equatorium.testing.case import Case, NotHere, UnmetError
from equatorium.testing.declared import Check, all_checks, summary_of
from equatorium.testing.distribution import Distribution
from equatorium.testing.reference import lent

_Pair = tuple[Case | Distribution, Check]


@dataclass(frozen=True)
class Result:
    """What came of one check.

    Attributes
    ----------
    method : str
        The method's name, or the distribution's for what is checked once.
    check : str
    status : str
        ``"passed"``, ``"failed"``, ``"skipped"`` or ``"expected"`` (failed, as announced).
    text : str
        Why.
    """

    method: str
    check: str
    status: str
    text: str = ""

    def __str__(self) -> str:
        why = f": {self.text}" if self.text else ""
        return f"{self.method}: {self.check} {self.status}{why}"


def check(dist: str, *, expected_failures: Mapping[str, str] | None = None) -> list[Result]:
    """Check all methods of a distribution, without pytest.

    Parameters
    ----------
    dist : str
        The distribution's name; ``"local"`` for what `equatorium.register` was given.
    expected_failures : mapping, optional
        See `conformance`.

    Returns
    -------
    list of Result

    Raises
    ------
    InputError
        If the distribution offers no method, or an expected failure is no check or has no reason.

    Examples
    --------
    Tell what fails::

        for result in check("my-dist"):
            if result.status == "failed":
                print(result)
    """
    pairs = list(pairs_of(Distribution(dist)))
    expected = _expected(expected_failures, pairs)
    return [outcome_of(*pair, expected) for pair in pairs]


def conformance(
    dist: str, *, expected_failures: Mapping[str, str] | None = None
) -> Callable[..., None]:
    """Make the test of a distribution's methods, to be found by pytest.

    Parameters
    ----------
    dist : str
        The distribution's name.
    expected_failures : mapping, optional
        ``"check"`` or ``"method:check"`` -> the reason why it fails. One that passes fails the
        test, so that the list never outlives its reasons.

    Returns
    -------
    callable
        A test, parametrised over methods and checks.

    Examples
    --------
    This is a whole test file::

        from equatorium.testing import conformance

        test_conformance = conformance("my-dist")
    """
    import pytest

    pairs = list(pairs_of(Distribution(dist)))
    expected = _expected(expected_failures, pairs)
    rows = [pytest.param(*pair, id=f"{pair[0].name}-{pair[1].name}") for pair in pairs]

    def test_conformance(subject: Case | Distribution, check: Check) -> None:
        result = outcome_of(subject, check, expected)
        if result.status == "skipped":
            pytest.skip(result.text)
        if result.status == "expected":
            pytest.xfail(result.text)
        if result.status == "failed":
            pytest.fail(f"{summary_of(check)}\n{result.text}", pytrace=False)

    test: Callable[..., None] = pytest.mark.parametrize(("subject", "check"), rows)(
        test_conformance
    )
    return test


def pairs_of(distribution: Distribution) -> Iterator[_Pair]:
    """Yield what is to be checked by what; what does not apply is left out."""
    for one in all_checks():
        if one.installed and not distribution.installed:
            continue
        cases = [case for case in distribution.cases if one.fits(case.entry)]
        if one.once and cases:
            yield distribution, one
        elif not one.once:
            yield from ((case, one) for case in cases)


def outcome_of(subject: Any, check: Check, expected: Mapping[str, str] | None = None) -> Result:
    """Make one check."""
    status, text = _attempt(subject, check)
    expected = expected or {}
    reason = expected.get(f"{subject.name}:{check.name}", expected.get(check.name))
    if reason is not None and status == "failed":
        status, text = "expected", f"{reason} ({text.splitlines()[0]})"
    elif reason is not None and status == "passed":
        status = "failed"
        text = (
            f"it was expected to fail ({reason}) but passes: take it off expected_failures, "
            f"or name the method that fails, '{subject.name}:{check.name}'."
        )
    return Result(subject.name, check.name, status, text)


def _attempt(subject: Any, check: Check) -> tuple[str, str]:
    # A method's warnings are its own affair; what is checked is what it does.
    with warnings.catch_warnings(), lent():
        warnings.simplefilter("ignore")
        try:
            check.function(subject)
        except NotHere as reason:
            return "skipped", str(reason)
        except UnmetError as error:
            return "failed", str(error)
        except Exception as error:
            return "failed", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    return "passed", ""


def _expected(given: Mapping[str, str] | None, pairs: list[_Pair]) -> Mapping[str, str]:
    """Refuse an expected failure without a reason, or of nothing."""
    expected = {} if given is None else dict(given)
    known = {one.name for _, one in pairs}
    known |= {f"{subject.name}:{one.name}" for subject, one in pairs}
    for name, reason in expected.items():
        if name not in known:
            raise InputError(
                f"expected_failures names {name!r}, but no such check is made here."
                f"{did_you_mean(name, known)}"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(f"the expected failure {name!r} needs a reason, not {reason!r}.")
    return expected
