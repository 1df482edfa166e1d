"""Which publications stand behind a result: every method that it used, and equatorium itself."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from equatorium import registry
from equatorium.entry import Entry

_DOI = re.compile(r"\b(10\.\d{4,9}/\S+)")
_SOFTWARE = "equatorium"


def cite(*things: Any) -> str:
    """Return what to cite for the methods that were used.

    Parameters
    ----------
    *things : str, Study, model, simulator, sampler, record, or lists of these
        A text names a method. All else is searched: composites for their parts, studies and
        records for what they keep.

    Returns
    -------
    str
        A list with the names of the methods, then BibTeX entries where there is a DOI.

    Examples
    --------
    >>> print(cite("emcee").split("BibTeX")[0].strip())  # doctest: +ELLIPSIS
    emcee (equatorium 0.1.0): Foreman-Mackey D., Hogg D. W., Lang D. & Goodman J. 2013, ...
    equatorium 0.1.0: the software itself; name this version.
    """
    seen: set[int] = set()
    entries = {entry.qualname: entry for thing in things for entry in _entries(thing, seen)}
    lines: list[str] = []
    bibliography: dict[str, str] = {}
    for entry in entries.values():
        who = f"{entry.name} ({entry.dist} {entry.version})"
        references = tuple(entry.method.reference)
        lines += [f"{who}: {text}" for text in references] or [f"{who}: no publication named"]
        for text in references:
            bibliography.update(_bibtex(text))
    lines.append(f"{_SOFTWARE} {version(_SOFTWARE)}: the software itself; name this version.")
    text = "\n".join(lines)
    if bibliography:
        text += "\n\nBibTeX\n\n" + "\n\n".join(bibliography.values())
    return text


def _entries(thing: Any, seen: set[int]) -> Iterator[Entry]:
    """Yield the methods in a thing, depth first, each object once."""
    if isinstance(thing, str):
        yield registry.get(None, thing)
        return
    if id(thing) in seen or thing is None or isinstance(thing, int | float):
        return
    seen.add(id(thing))
    entry = thing if isinstance(thing, Entry) else registry.entry_of(_class(thing))
    if entry is not None:
        yield entry
    for part in _parts(thing):
        yield from _entries(part, seen)


def _class(thing: Any) -> type:
    return thing if isinstance(thing, type) else type(thing)


def _parts(thing: Any) -> Iterable[Any]:
    """Return what a thing holds: text in it is data, not the name of a method."""
    if isinstance(thing, Mapping):
        parts: Iterable[Any] = thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        parts = thing
    elif type(thing).__module__.split(".")[0] in ("numpy", "builtins", "scipy"):
        parts = ()
    else:
        parts = [*getattr(thing, "__dict__", {}).values()]
    return [part for part in parts if not isinstance(part, str)]


def _bibtex(text: str) -> dict[str, str]:
    """Return an entry under its DOI, its key too; the reference's own words go into a note."""
    match = _DOI.search(text)
    if match is None:
        return {}
    doi = match.group(1).rstrip(".,;)")
    year = re.search(r"\b(1[89]|20)\d\d\b", text)
    fields = {"doi": doi, "url": f"https://doi.org/{doi}", "note": text}
    if year:
        fields["year"] = year.group(0)
    body = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items())
    key = re.sub(r"[^\w./:-]", "-", doi)
    return {doi: f"@misc{{{key},\n{body}\n}}"}
