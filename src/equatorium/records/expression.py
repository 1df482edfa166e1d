"""Arithmetic on parameters, written as text: ``"2 * a + log10(b)"``.

Text can be written to a file and read back; it is parsed and checked, never executed. Numbers,
names, ``+ - * / **``, brackets and the functions of `FUNCTIONS` are all there is.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Any
from unicodedata import normalize

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError, did_you_mean

_NAMES = (
    *("abs", "sqrt", "exp", "log", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("arctan2", "sinh", "cosh", "tanh", "minimum", "maximum"),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _NAMES}
CONSTANTS = {"pi": np.pi, "e": np.e}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_LONGEST = 1000  # characters: beyond it nobody writes arithmetic, and a parser's stack is finite


@dataclass(frozen=True)
class Expression:
    """Arithmetic on named columns.

    Parameters
    ----------
    text : str
    known : tuple of str
        Names that it may hold.
    what : str
        What it is, for errors: "the lower bound of 'b'".

    Raises
    ------
    InputError
        If it is no arithmetic, or holds a name that is not known.
    """

    text: str
    known: tuple[str, ...]
    what: str

    def __post_init__(self) -> None:
        try:
            self._check(self._tree)
        except (RecursionError, OverflowError) as error:
            raise InputError(
                f"{self.what} is nested too deeply, or holds too large a number."
            ) from (error)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that it depends on."""
        called = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        found = (
            node.id
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and id(node) not in called
        )
        return tuple(dict.fromkeys(self._read[name] for name in found if name in self._read))

    def __call__(self, columns: Mapping[str, Any]) -> FloatArray:
        """Evaluate on columns, numbers or arrays (m,) by name.

        Raises
        ------
        InputError
            If a result is not finite, naming the values that it comes from.
        """
        found = self.unchecked(columns)
        if not np.isfinite(found).all():
            bad = int(np.flatnonzero(~np.isfinite(np.atleast_1d(found)))[0])
            at = {
                name: float(np.broadcast_to(np.atleast_1d(columns[name]), found.size or 1)[bad])
                for name in self.names
            }
            raise InputError(
                f"{self.what}, {self.text!r}, is {np.atleast_1d(found)[bad]} at {at}. Narrow the "
                "ranges of these parameters, or write it otherwise."
            )
        return found

    def unchecked(self, columns: Mapping[str, Any]) -> FloatArray:
        """Evaluate on columns; results may be infinite or NaN."""
        with np.errstate(all="ignore"):
            return np.asarray(self._value(self._tree, columns), dtype=np.float64)

    @cached_property
    def _read(self) -> dict[str, str]:
        """From names as Python reads them (the micro sign as the letter mu) to the known ones."""
        return {normalize("NFKC", name): name for name in self.known}

    @cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > _LONGEST:
            raise InputError(f"{self.what} is longer than {_LONGEST} characters.")
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            words = [w for w in re.findall(r"\w+", self.text) if iskeyword(w)]
            hint = f" {words[0]!r} is a word of Python's: rename that parameter." if words else ""
            raise InputError(
                f"{self.what} must be arithmetic such as '2 * a + log10(b)', but it is "
                f"{self.text!r}.{hint}"
            ) from error

    def _check(self, node: ast.expr) -> None:
        """Refuse whatever is not arithmetic on known names."""
        match node:
            case ast.Constant(value=bool() | complex()):
                raise self._wrong(node)
            case ast.Constant(value=int() | float() as value):
                float(value)
            case ast.Name(id=name):
                if name not in self._read and name not in CONSTANTS:
                    hint = did_you_mean(name, self.known)
                    raise InputError(
                        f"{self.what}, {self.text!r}, holds {name!r}, which is not a parameter. "
                        f"Known: {', '.join(self.known)}.{hint}"
                    )
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                self._check(left)
                self._check(right)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                self._check(operand)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                wanted = getattr(FUNCTIONS[name], "nin", 1)
                if len(args) != wanted:
                    raise InputError(
                        f"{self.what}, {self.text!r}: {name} takes {wanted} argument(s), not "
                        f"{len(args)}."
                    )
                for argument in args:
                    self._check(argument)
            case _:
                raise self._wrong(node)

    def _wrong(self, node: ast.expr) -> InputError:
        return InputError(
            f"{self.what}, {self.text!r}, holds {ast.unparse(node)!r}. It may hold numbers, names, "
            f"+ - * / **, brackets and {', '.join(FUNCTIONS)}."
        )

    def _value(self, node: ast.expr, columns: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value):
                return np.float64(value)  # type: ignore[arg-type]
            case ast.Name(id=name):
                # A parameter may be called e or pi.
                return columns[self._read[name]] if name in self._read else CONSTANTS[name]
            case ast.BinOp(left=left, op=op, right=right):
                return _BINARY[type(op)](self._value(left, columns), self._value(right, columns))
            case ast.UnaryOp(op=op, operand=operand):
                return _UNARY[type(op)](self._value(operand, columns))
            case ast.Call(func=ast.Name(id=name), args=args):
                return FUNCTIONS[name](*(self._value(argument, columns) for argument in args))
        raise AssertionError(node)
