"""What the options of a method mean, read off its class: no second schema to keep in step."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Option:
    """One keyword of a method's constructor.

    Attributes
    ----------
    name : str
    default : str
        As it is written in Python; ``(required)`` if there is none.
    type : str
        What the docstring says, or else the annotation; empty if neither.
    text : str
        What it means: from ``Annotated[type, "text"]``, or else the first paragraph on it in the
        docstring's section Parameters; empty if neither.
    """

    name: str
    default: str
    type: str
    text: str


def options_of(cls: type[Any]) -> tuple[Option, ...]:
    """Return the options of a class, in their order.

    Examples
    --------
    >>> class Mean:
    ...     '''The mean.
    ...
    ...     Parameters
    ...     ----------
    ...     trim : float
    ...         The share of runs left out.
    ...     '''
    ...
    ...     def __init__(self, *, trim=0.1, power: Annotated[int, "of the mean"] = 1): ...
    >>> [(o.name, o.default, o.type, o.text) for o in options_of(Mean)]
    [('trim', '0.1', 'float', 'The share of runs left out.'), ('power', '1', 'int', 'of the mean')]
    """
    documented = {name: entry for base in reversed(cls.__mro__) for name, entry in _section(base)}
    hints = _hints(cls)
    return tuple(
        _option(parameter, hints.get(parameter.name), *documented.get(parameter.name, ("", "")))
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def _option(parameter: inspect.Parameter, hint: Any, kind: str, text: str) -> Option:
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        kind = inspect.formatannotation(hint)
        text = next((note for note in notes if isinstance(note, str)), text)
    if not kind and hint not in (None, Any):
        kind = inspect.formatannotation(hint)
    required = parameter.default is parameter.empty
    default = "(required)" if required else repr(parameter.default)
    return Option(parameter.name, default, kind, text)


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(cls.__init__, include_extras=True)
    except Exception:  # a name that only type checkers see; the docstring serves then
        return {}


def _section(cls: type[Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield name, (type, first paragraph) from the section Parameters of a numpydoc docstring."""
    doc = inspect.cleandoc(vars(cls).get("__doc__") or "")
    found = re.search(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", doc, re.S | re.M)
    if not found:
        return
    # An entry starts at the margin, its text is indented.
    for names, kind, body in re.findall(
        r"^(\w[^:\n]*?)(?:[ \t]*:[ \t]*(.*))?\n((?:[ \t]+.*\n?|\n)*)", found[1] + "\n", re.M
    ):
        paragraph = inspect.cleandoc(body).strip().split("\n\n")[0]
        for name in names.split(","):
            yield name.strip(), (kind.strip(), " ".join(paragraph.split()))
