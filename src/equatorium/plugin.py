"""All that a plugin's registration module imports: the hooks, their marker, and what a method is.

A plugin is a distribution with an entry point in the group ``equatorium.plugins`` whose value is a
module of hook implementations. Each hook takes no arguments and returns an iterable of `Method`:
data with string targets, so that listing what exists imports nothing.

>>> @hookimpl
... def register_emulators():
...     yield Method(name="nearest", target="my_package.nearest:Nearest", summary="Nearest run")
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from equatorium.errors import InputError, did_you_mean

PROJECT = "equatorium"
GROUP = "equatorium.plugins"

_Hook = TypeVar("_Hook", bound=Callable[..., Any])
_hookspec = pluggy.HookspecMarker(PROJECT)
_hookimpl = pluggy.HookimplMarker(PROJECT)

# Role -> the abstract class that a method of this role derives from; imported only on load.
ROLES: Mapping[str, str] = MappingProxyType(
    {
        "emulator": "equatorium.interfaces.emulator:Emulator",
        "classifier": "equatorium.interfaces.classifier:Classifier",
        "embedder": "equatorium.interfaces.embedder:Embedder",
        "ensemble": "equatorium.interfaces.ensemble:Ensemble",
        "network": "equatorium.interfaces.network:Network",
        "simulator": "equatorium.interfaces.simulator:Simulator",
        "sampler": "equatorium.interfaces.sampler:Sampler",
    }
)

# Hook -> the shelf on which its methods are listed.
HOOKS: Mapping[str, str] = MappingProxyType(
    {
        f"register_{kind}s": kind
        for kind in ("emulator", "embedder", "ensemble", "network", "simulator", "sampler")
    }
)

# Capability -> (role, the method that a class of this role must then have), or None.
CAPABILITIES: Mapping[str, tuple[str, str] | None] = MappingProxyType(
    {
        "variance": None,
        "covariance": None,
        "joint": ("emulator", "predict_joint"),
        "gradient": ("emulator", "predict_dist_vjp"),
        "loo": ("emulator", "loo"),
        "update": ("emulator", "update"),
        "noise": None,
        "missing": None,
        "inverse": ("embedder", "_inverse_transform"),
        "gpu": None,
        "restart": None,
        "vectorised": None,
    }
)

# Modules too slow to import merely to list what exists; `equatorium plugins list -v` tells of them.
HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "pandas",
    "h5py",
    "astropy",
    "matplotlib",
    "emcee",
    "torch",
    "gpytorch",
    "tensorflow",
    "jax",
)

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_TOP_LEVEL = re.compile(r"[A-Za-z_]\w*")


def is_name(text: str) -> bool:
    """Tell whether this is lower-case words joined by hyphens, as all names are."""
    return _NAME.fullmatch(text) is not None


def hookimpl(function: _Hook) -> _Hook:
    """Mark a function of a plugin's registration module as the implementation of a hook."""
    return _hookimpl(function)


@dataclass(frozen=True, kw_only=True)
class Method:
    """What a plugin offers, as data.

    Parameters
    ----------
    name : str
        Lower case with hyphens, ``trend-gp``; unique within the distribution.
    target : str or type
        ``"package.module:Class"``; a class itself only for registration within a script.
    roles : iterable of str
        What the class can be used as (`ROLES`); by default what the shelf says.
    summary : str
        One line.
    capabilities : iterable of str
        What the class can do (`CAPABILITIES`), or words of your own with a prefix, ``mine:word``.
    requires : iterable of str
        Top-level names of the modules that it needs; looked for, never imported.
    extra : str
        The extra of the distribution that brings them.
    aliases : iterable of str
        Older names. Files name methods, so names live for ever.
    reference : str or iterable of str
        The publications to cite, best with ``doi:10...``.

    Raises
    ------
    InputError
        If a field is malformed; a mistyped word gets a did-you-mean.

    Examples
    --------
    >>> Method(name="nearest", target="my_package.nearest:Nearest", capabilities=["varience"])
    Traceback (most recent call last):
    ...
    equatorium.errors.InputError: Method 'nearest': unknown capability 'varience'. Did you mean \
'variance'? Words of your own need a prefix, 'mine:varience'.
    """

    name: str
    target: str | type
    roles: Iterable[str] = ()
    summary: str = ""
    capabilities: Iterable[str] = frozenset()
    requires: Iterable[str] = ()
    extra: str = ""
    aliases: Iterable[str] = ()
    reference: str | Iterable[str] = ()

    def __post_init__(self) -> None:
        self._texts("name", "summary", "extra")
        if isinstance(self.reference, str):
            object.__setattr__(self, "reference", (self.reference,) if self.reference else ())
        for field in fields(self):
            if field.name in ("roles", "requires", "aliases", "reference", "capabilities"):
                self._freeze(field.name, frozenset if field.name == "capabilities" else tuple)
        for name in (self.name, *self.aliases):
            self._need(
                is_name(name),
                f"the name {name!r} must be lower-case words joined by hyphens, such as 'trend-gp'",
            )
        self._need(
            isinstance(self.target, type)
            or (isinstance(self.target, str) and _TARGET.fullmatch(self.target)),
            f"the target {self.target!r} must read 'package.module:Class'",
        )
        for role in self.roles:
            self._need(
                role in ROLES,
                f"unknown role {role!r}.{did_you_mean(role, ROLES)} Known: {', '.join(ROLES)}",
            )
        for word in self.capabilities:
            self._need(
                word in CAPABILITIES or re.fullmatch(r"[\w-]+:[\w-]+", word),
                f"unknown capability {word!r}.{did_you_mean(word, CAPABILITIES)} "
                f"Words of your own need a prefix, 'mine:{word}'",
            )
        for line in (self.summary, *self.reference):
            self._need(
                line.isprintable(), f"{line!r} must be one line of text without control characters"
            )
        self._need(
            re.fullmatch(r"[\w.-]*", self.extra), f"extra must be a word, not {self.extra!r}"
        )
        for module in self.requires:
            self._need(
                _TOP_LEVEL.fullmatch(module),
                f"requires names top-level modules, such as 'torch', not {module!r}",
            )

    def _texts(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InputError(f"Method: {name} must be text, not {value!r}.")

    def _freeze(self, name: str, container: type) -> None:
        """Hold a set of words as such; a bare string would be taken letter by letter."""
        value = getattr(self, name)
        self._need(
            isinstance(value, Iterable) and not isinstance(value, str | bytes),
            f"{name} must be a list of words, not {value!r}",
        )
        words = container(value)
        self._need(
            all(isinstance(word, str) for word in words),
            f"{name} must hold text, not {value!r}",
        )
        object.__setattr__(self, name, words)

    def _need(self, good: object, complaint: str) -> None:
        if not good:
            raise InputError(f"Method {self.name!r}: {complaint}.")


class Hooks:
    """The six hooks; each returns an iterable of `Method`, and is the shelf they are listed on."""

    @_hookspec
    def register_emulators(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Methods that predict numbers or classes."""

    @_hookspec
    def register_embedders(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Methods that map to fewer dimensions, and perhaps back."""

    @_hookspec
    def register_ensembles(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Methods that have members."""

    @_hookspec
    def register_networks(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Methods trained by gradient."""

    @_hookspec
    def register_simulators(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Expensive models."""

    @_hookspec
    def register_samplers(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Methods that draw from a posterior."""
