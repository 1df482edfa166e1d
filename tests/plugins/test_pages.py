"""What the pages on plugins show is what exists, and works as shown."""

import re
import sys
import types
from pathlib import Path

import pytest

import equatorium as eq
from equatorium import registry
from equatorium.entry import Entry
from equatorium.plugin import CAPABILITIES, HOOKS, ROLES
from equatorium.testing import check
from equatorium.testing.declared import all_checks

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "plugins"
EXAMPLE = ROOT / "plugins" / "example"


def page(name):
    return (PAGES / f"{name}.md").read_text()


def blocks(name, mark):
    """Return the code after each ``<!-- mark -->``, with what the mark says after a colon."""
    pattern = rf"<!-- {mark}(?:: (\S+))? -->\n```\w+\n(.*?)```\n"
    return re.findall(pattern, page(name), re.S)


def sections(name):
    parts = re.split(r"^## `(\w+)`$", page(name), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# -- the tutorial --------------------------------------------------------------------------


def test_the_tutorial_is_the_files_of_the_example():
    shown = dict(blocks("tutorial", "file"))
    own = [p for p in EXAMPLE.rglob("*.py") if "__pycache__" not in p.parts]
    names = {path.relative_to(EXAMPLE).as_posix() for path in [*own, EXAMPLE / "pyproject.toml"]}
    assert names == set(shown) and len(names) == 5
    for name, text in shown.items():
        assert text == (EXAMPLE / name).read_text(), f"{name} differs from docs/plugins/tutorial.md"


def test_the_tutorial_alone_is_a_package_that_installs(shared, tmp_path):
    # No more files than it shows: pip must not ask for one that it never told of.
    for name, text in blocks("tutorial", "file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shared.install(tmp_path)
    told = shared.code("import equatorium_example; print(equatorium_example.__file__)")
    assert Path(told.strip()).is_relative_to(shared.python.parents[1])
    assert "equatorium-example/rbf" in shared.equatorium("plugins", "info", "rbf").stdout


def test_the_script_of_the_tutorial_works_beside_the_installed_plugin(local):
    from equatorium_example.rbf import RBF

    names = {"eq": eq, "RBF": type("RBF", (RBF,), {})}
    ((_, code),) = blocks("tutorial", "script")
    exec(code, names)
    assert names["model"].capabilities_ == eq.emulator("rbf").capabilities_


def test_every_page_is_linked():
    listed = page("index").split("```{toctree}")[1].split("```")[0].split()
    assert {path.stem for path in PAGES.glob("*.md")} == {"index", *listed} - {":maxdepth:", "1"}
    assert "plugins/index" in (ROOT / "docs" / "index.md").read_text()


# -- hooks and roles -----------------------------------------------------------------------


def test_every_hook_has_a_section_and_every_role_a_word():
    assert set(sections("hooks")) == set(HOOKS)
    told = page("hooks")
    for role in ROLES:
        assert f"`{role}`" in told, f"docs/plugins/hooks.md does not explain the role {role!r}"
    for hook, text in sections("hooks").items():
        assert text.strip()[0].isupper() and f"def {hook}(" in text, hook


@pytest.fixture
def local(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


@pytest.fixture(scope="module")
def shelves():
    """Hook -> the methods that its examples on the page list; their classes exist."""
    module = types.ModuleType("my_plugin.methods")
    sys.modules |= {"my_plugin": types.ModuleType("my_plugin"), "my_plugin.methods": module}
    found = []
    for _, code in blocks("hooks", "example"):
        exec(code, module.__dict__)
        for hook in HOOKS:
            if f"def {hook}(" in code:
                found += [(hook, method) for method in getattr(module, hook)()]
    yield found
    for name in ("my_plugin", "my_plugin.methods"):
        del sys.modules[name]


def test_the_examples_show_every_hook_and_every_role(shelves):
    entries = [Entry(HOOKS[hook], method, "my-plugin", "1.0") for hook, method in shelves]
    assert {entry.kind for entry in entries} == set(HOOKS.values())
    assert {role for entry in entries for role in entry.roles} == set(ROLES)


@pytest.mark.parametrize(
    "name", ["nearest", "centroids", "axes", "bagged", "descent", "pendulum", "weighted-prior"]
)
def test_the_examples_of_the_hooks_keep_the_contracts(shelves, local, name):
    ((hook, method),) = [row for row in shelves if row[1].name == name]
    eq.register(HOOKS[hook], method)
    results = check("local")
    assert len(results) > 8
    assert [str(result) for result in results if result.status == "failed"] == []


def test_all_examples_of_the_hooks_are_tested(shelves):
    text = Path(__file__).read_text()
    assert all(re.search(rf"\"{method.name}\"", text) for _, method in shelves)


def test_every_role_has_checks_of_its_own():
    own = {one.roles for one in all_checks() if len(one.roles) == 1}
    assert {(role,) for role in ROLES} <= own


# -- capabilities --------------------------------------------------------------------------


def test_every_capability_has_a_section_that_names_its_promise_and_its_proof():
    told = sections("capabilities")
    assert list(told) == list(CAPABILITIES)
    proofs = {word: set() for word in CAPABILITIES}
    for one in all_checks():
        for word in one.capabilities & set(CAPABILITIES):
            proofs[word].add(one.name)
    for word, promise in CAPABILITIES.items():
        assert proofs[word], f"no check of the conformance kit is about {word!r}"
        named = set(re.findall(r"`(\w+)`", told[word].split("Proved by")[1]))
        assert named and named <= proofs[word], (word, named, proofs[word])
        if promise:
            role, method = promise
            assert f"{role.capitalize()}s." in told[word] and f"`{method}(" in told[word]


@pytest.fixture
def line(monkeypatch):
    """The class of the page, and the methods that its sections add, by capability."""
    module = types.ModuleType("page_of_capabilities")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names, added = module.__dict__, {}
    ((_, code),) = blocks("capabilities", "example")
    exec(code, names)
    cls = names["Line"]
    for _, code in blocks("capabilities", "method"):
        before = set(names)
        exec(code, names)
        (new,) = set(names) - before
        added[new] = names[new]
        setattr(cls, new, names[new])
    return cls, added


def test_the_methods_of_the_page_keep_what_they_promise(line, local):
    base, added = line
    promised = {
        word: promise[1]
        for word, promise in CAPABILITIES.items()
        if promise and promise[0] == "emulator"
    }
    assert set(added) == set(promised.values())
    eq.register("emulator", base, capabilities={"variance", "covariance", *promised})
    results = check("local")
    assert [str(result) for result in results if result.status == "failed"] == []
    passed = {result.check for result in results if result.status == "passed"}
    for one in all_checks():
        if one.capabilities & set(promised):
            assert one.name in passed


def test_a_wrong_method_does_not_keep_its_promise(line, local):
    cls, _ = line
    # The wrong twin: the runs themselves passed off as predictions without them.
    cls.loo = lambda self: eq.Gaussian(self.outputs_, eq.Dense(self.scatter_))
    eq.register("emulator", cls, capabilities={"variance", "covariance", "loo"})
    failed = [result.check for result in check("local") if result.status == "failed"]
    assert failed == ["loo_leaves_a_run_out"]
