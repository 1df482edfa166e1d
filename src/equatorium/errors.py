"""Typed errors: each names the offender, what was expected, what came, and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class EquatoriumError(Exception):
    """Anything this library raises on purpose."""


class InputError(EquatoriumError, ValueError):
    """A value handed to the library cannot be used."""


class ShapeError(InputError):
    """An array has the wrong shape."""


class NotFiniteError(InputError):
    """An array holds NaN or infinity where numbers are needed."""


class UnknownNameError(EquatoriumError, LookupError):
    """A name (parameter, output, coordinate, option) is not known."""


class ConfigurationError(InputError):
    """A study file says something that cannot be done."""


class PluginError(EquatoriumError):
    """Something about a plugin."""


class UnknownMethodError(PluginError, LookupError):
    """No registered method has the name."""


class NameCollisionError(PluginError):
    """Two methods offer the same name."""


class PluginLoadError(PluginError, ImportError):
    """A method's module or one of its dependencies cannot be imported."""


class StateError(EquatoriumError):
    """A stored state does not describe a valid object."""


class NotSavableError(EquatoriumError):
    """An object holds something that has no form in a file."""


class FileFormatError(EquatoriumError):
    """A file is not ours, is damaged, or is newer than this library."""


class SimulatorError(EquatoriumError):
    """A simulator raised, or returned something unusable."""


class EmptyRegionError(EquatoriumError):
    """History matching has ruled out the whole parameter space."""


class NotValidatedError(EquatoriumError):
    """An emulator without a passing validation report is asked to judge data."""


class UnreliableWeightsError(EquatoriumError):
    """Importance weights rest on so few draws that what they say means nothing."""


class PluginWarning(UserWarning):
    """A plugin is broken; the others work."""


class NotConvergedWarning(UserWarning):
    """A posterior or a fit stopped before its criteria were met."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the closest known name as a sentence, or nothing.

    >>> did_you_mean("alpah", ["alpha", "beta"])
    " Did you mean 'alpha'?"
    """
    names = {str(k).lower(): str(k) for k in known}
    close = get_close_matches(str(name).lower(), names, n=1)
    return f" Did you mean {names[close[0]]!r}?" if close else ""
