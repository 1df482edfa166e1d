"""What every method must do, whatever its kind: be listed lightly, described, written down."""

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from equatorium import registry
from equatorium.plugin import HEAVY
from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for
from equatorium.testing.distribution import Distribution

_SOURCE = re.compile(r"10\.\d{4,9}/\S+|arxiv[: ]\S+|\d{4}[\w.&]{14}[A-Z]|ISBN", re.IGNORECASE)


@check_for("*", once=True, installed=True)
def the_plugin_is_whole(distribution: Distribution) -> None:
    """Registration meets no problem: all hooks are known, run to their end, and give methods."""
    found = [str(p) for p in registry.problems() if p.plugin == distribution.name]
    expect(not found, f"registering met {'; '.join(found)}")


@check_for("*", once=True, installed=True)
def listing_is_light(distribution: Distribution) -> None:
    """Listing the methods imports none of the modules that are slow to import."""
    needed = {name for entry in distribution.entries for name in entry.method.requires}
    heavy = sorted((set(HEAVY) | needed) & set(distribution.listed))
    expect(
        not heavy,
        f"listing the methods of {distribution.name} imports {', '.join(heavy)}: leave the "
        f"package's __init__ empty or lazy, and let the registration module import nothing but "
        f"equatorium.plugin",
    )


@check_for("*")
def the_summary_is_one_line(case: Case) -> None:
    """The registration says in one line what the method is."""
    summary = case.entry.method.summary
    expect(summary.strip(), "it has no summary; say in one line what it is")
    expect("\n" not in summary and len(summary) <= 100, "its summary is longer than one line")


@check_for("*")
def references_can_be_found(case: Case) -> None:
    """Every reference that is given holds a DOI, a bibcode, an arXiv number or an ISBN."""
    lost = [text for text in case.entry.method.reference if not _SOURCE.search(text)]
    expect(not lost, f"add 'doi:10...' to {'; '.join(lost)}")


@check_for("*")
def it_is_what_it_claims(case: Case) -> None:
    """The class can be imported, derives from its roles' classes and has the methods it claims."""
    expect(not inspect.isabstract(case.cls), "its class is abstract")


@check_for("*")
def options_are_explicit(case: Case) -> None:
    """The constructor lists its options; what has no default is given in conformance_options."""
    for option in inspect.signature(case.cls).parameters.values():
        expect(
            option.kind not in (option.VAR_POSITIONAL, option.VAR_KEYWORD),
            f"its constructor takes {option}: nobody could see which options there are",
        )
        expect(
            option.default is not option.empty or option.name in case.options,
            f"the option {option.name!r} has no default; give one, or a value of it in "
            f"conformance_options",
        )


@check_for("estimator")
def the_constructor_stores_options(case: Case) -> None:
    """The constructor keeps its options unchanged, unseen: `fit` and `run` judge them."""
    # A value that no constructor can have expected shows whether it is touched.
    options = inspect.signature(case.cls).parameters.values()
    given = {o.name: object() for o in options if o.kind not in (o.VAR_POSITIONAL, o.VAR_KEYWORD)}
    try:
        made = case.cls(**given)
    except Exception as error:
        expect(False, f"its constructor looks at its options ({type(error).__name__}: {error})")
    changed = [name for name, value in given.items() if getattr(made, name, None) is not value]
    expect(not changed, f"its constructor does not store {', '.join(changed)} as given")


@check_for("*")
def the_written_form_comes_back(case: Case) -> None:
    """Name and options, written as JSON, make the same method again."""
    made = case.make()
    spec = registry.to_spec(made)
    again = registry.from_spec(None, json.loads(json.dumps(spec, allow_nan=False)))
    expect(type(again) is type(made), f"it comes back as {type(again).__name__}")
    expect(_plain(registry.to_spec(again)) == _plain(spec), "it comes back with other options")
    for name in set(inspect.signature(case.cls).parameters) & set(spec["options"]):
        same = getattr(again, name, None)
        expect(
            hasattr(made, name) is hasattr(again, name) and _alike(same, getattr(made, name, None)),
            f"the option {name!r} comes back as {same!r}",
        )
    lost = set(case.options) - set(spec["options"]) - {"random_state"}
    expect(not lost, f"the options {', '.join(sorted(lost))} are not in its written form")


@check_for("estimator")
def capabilities_are_as_registered(case: Case) -> None:
    """An object made with its conformance_options can do all that the registration says."""
    able, claimed = case.make().capabilities_, case.capabilities
    expect(able <= claimed, f"it can do {_words(able - claimed)}, which its Method does not say")
    expect(
        claimed <= able,
        f"its Method says {_words(claimed - able)}, but one made with its conformance_options "
        f"cannot do that; choose options with which it can",
    )


def _words(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))


def _plain(spec: Mapping[str, Any]) -> Any:
    """Let lists and tuples be the same, as in JSON."""
    return json.loads(json.dumps(spec, sort_keys=True))


def _alike(a: Any, b: Any) -> bool:
    """Compare two options; JSON knows lists only, and models compare by what they are made of."""
    if hasattr(a, "get_params") and type(a) is type(b):
        return bool(_plain(registry.to_spec(a)) == _plain(registry.to_spec(b)))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    return type(a) is type(b) and bool(a == b)
