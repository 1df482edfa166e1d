"""What a method may say of itself, and the hooks it says it through."""

import dataclasses
import inspect
import subprocess
import sys

import pytest

from equatorium import errors
from equatorium.plugin import CAPABILITIES, HOOKS, ROLES, Hooks, Method, hookimpl

GOOD = {"name": "trend-gp", "target": "package.module:Class"}


def test_fields_are_frozen_sets_and_tuples():
    method = Method(
        **GOOD,
        roles=["emulator"],
        capabilities=["variance", "mine:word"],
        requires=["torch"],
        aliases=["gp2"],
        reference="Someone 2001, doi:10.1/x",
    )
    assert method.roles == ("emulator",) and method.requires == ("torch",)
    assert method.capabilities == {"variance", "mine:word"}
    assert method.reference == ("Someone 2001, doi:10.1/x",)
    assert Method(**GOOD).reference == () and Method(**GOOD).summary == ""
    assert hash(method) != hash(Method(**GOOD))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Trend-GP"}, "'Trend-GP' must be lower-case words joined by hyphens"),
        ({"name": "trend_gp"}, "'trend_gp' must be lower-case"),
        ({"name": ""}, "'' must be lower-case"),
        ({"name": 3}, "name must be text, not 3"),
        ({"summary": None}, "summary must be text, not None"),
        ({"aliases": ["no good"]}, "'no good' must be lower-case"),
        ({"target": "package.module.Class"}, r"must read 'package.module:Class'"),
        ({"target": "package:"}, r"'package:' must read"),
        ({"target": 3}, "target 3 must read"),
        ({"roles": ["emulatr"]}, "unknown role 'emulatr'. Did you mean 'emulator'"),
        ({"roles": "emulator"}, "roles must be a list of words, not 'emulator'"),
        ({"capabilities": {"varience"}}, "'varience'. Did you mean 'variance'.*'mine:varience'"),
        ({"capabilities": "variance"}, "capabilities must be a list of words"),
        ({"capabilities": [3]}, "capabilities must hold text"),
        ({"requires": ["torch.nn"]}, "top-level modules, such as 'torch', not 'torch.nn'"),
        ({"requires": 5}, "requires must be a list of words, not 5"),
    ],
)
def test_a_malformed_method_is_refused_at_once(changes, message):
    with pytest.raises(errors.InputError, match=message):
        Method(**{**GOOD, **changes})


def test_every_hook_has_a_shelf_and_every_role_a_class():
    assert set(HOOKS) == {name for name in vars(Hooks) if not name.startswith("_")}
    assert set(HOOKS.values()) < set(ROLES)
    for name in HOOKS:
        assert list(inspect.signature(getattr(Hooks, name)).parameters) == ["self"]
        assert getattr(Hooks, name).__doc__
    import importlib

    for target in ROLES.values():
        module, _, name = target.partition(":")
        assert inspect.isabstract(getattr(importlib.import_module(module), name))


def test_promised_methods_belong_to_roles():
    for promise in CAPABILITIES.values():
        assert promise is None or promise[0] in ROLES


def test_hookimpl_leaves_the_function_as_it_is():
    def register_emulators():
        return [1]

    assert hookimpl(register_emulators) is register_emulators
    assert register_emulators() == [1]


def test_the_module_imports_only_pluggy_beyond_the_standard_library():
    code = "import sys, equatorium.plugin; print(*{m.split('.')[0] for m in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    third = {name for name in out.stdout.split() if name not in sys.stdlib_module_names}
    assert {name for name in third if not name.startswith("_")} <= {"pluggy", "equatorium"}
