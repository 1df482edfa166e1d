r"""Names, units and scales on axes: ``Mpc^-3`` becomes Mpc\ :sup:`-3`, a log scale log10."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError

if TYPE_CHECKING:
    from equatorium.records.space import Space

_SYMBOLS = {"log10": "log$_{10}$", "Msun": r"$M_\odot$", "mstar": r"$M_\star$", "phi": r"$\phi$"}
_SYMBOL = re.compile(rf"\b({'|'.join(_SYMBOLS)})\b")
_POWER = re.compile(r"\b(?!log10\b)([A-Za-z]+)(?:\^|\*\*)?\{?([-+]?\d+)\}?(?!\w)")
_LOGARITHM = re.compile(r"(?:log10|dex)\((.*)\)")


def pretty(text: str) -> str:
    r"""Set a few words as astronomers' symbols; text with LaTeX stays as it is.

    >>> pretty("log10 phi"), pretty("graphic")
    ('log$_{10}$ $\\phi$', 'graphic')
    """
    return text if "$" in text else _symbols(text)


def _symbols(text: str) -> str:
    return _SYMBOL.sub(lambda word: _SYMBOLS[word[0]], text)


def pretty_unit(text: str) -> str:
    r"""Set powers high, written in either way.

    >>> pretty_unit("Mpc^-3 dex^-1") == pretty_unit("Mpc-3 dex-1")
    True
    >>> pretty_unit("cm2"), pretty_unit("Msun")
    ('cm$^{2}$', '$M_\\odot$')
    """
    return text if "$" in text else _symbols(_POWER.sub(r"\1$^{\2}$", text))


def quantity(label: str, unit: str = "") -> str:
    r"""Return an axis label with its unit; ``dex(u)`` and ``log10(u)`` are units of logarithms.

    >>> quantity("log_mstar", "dex(Msun)"), quantity("T", "K"), quantity("z")
    ('log$_{10}$($M_\\star$ / $M_\\odot$)', 'T [K]', 'z')
    """
    inside = _LOGARITHM.fullmatch(unit)
    if inside and "$" not in label:
        stem = re.sub(r"^log(10)?[ _]", "", label)
        return f"log$_{{10}}$({pretty(stem)} / {pretty_unit(inside[1])})"
    shown = pretty_unit(inside[1] if inside else unit)
    return pretty(label) + (f" [{shown}]" if shown else "")


def parameter_labels(space: "Space", names: Iterable[str]) -> list[str]:
    """Return axis labels with units; ``log10`` of a parameter on a log scale."""
    labels = []
    for name in names:
        parameter = space.parameters[space.index(name)]
        text = quantity(parameter.label or name, parameter.unit)
        labels.append(f"log$_{{10}}$ {text}" if parameter.scale == "log" else text)
    return labels


def on_axes(space: "Space", theta: FloatArray, names: Sequence[str]) -> FloatArray:
    """Return the named columns of theta (m, d) as the axes show them: log10 on a log scale."""
    columns = []
    for name in names:
        j = space.index(name)
        column = theta[:, j]
        columns.append(np.log10(column) if space.parameters[j].scale == "log" else column)
    return np.column_stack(columns)


def chosen(
    names: Sequence[str] | None, known: Sequence[str], score: FloatArray, k: int
) -> list[str]:
    """Return the names asked for, or the k of highest score, in the order they are known in."""
    if names is None:
        best = np.sort(np.argsort(-score, kind="stable")[:k])
        return [known[j] for j in best]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(
            f"cannot draw {unknown or 'nothing'}: name at least one of {', '.join(known)}"
        )
    return list(names)
