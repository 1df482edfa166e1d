"""The laws of the house, read off the imports: floors, lightness, no torch, no pickle."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "equatorium"
FLOORS = {
    "errors": 0,
    "checks": 0,
    "threads": 0,
    "plugin": 1,
    "records": 1,
    "shelf": 2,
    "entry": 2,
    "discovery": 2,
    "catalogue": 2,
    "registry": 2,
    "leaves": 3,
    "hdf5": 3,
    "storage": 3,
    "interfaces": 4,
    "simulate": 5,
    "emulate": 6,
    "embed": 6,
    "history": 7,
    "spectra": 7,
    "inference": 8,
    "plots": 9,
    "citation": 9,
    "testing": 9,
    "study": 10,
    "cli": 11,
    "__init__": 11,
}
HEAVY = {"numpy", "scipy", "sklearn", "torch", "gpytorch", "h5py", "astropy", "matplotlib", "emcee"}
PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def modules(folder):
    return sorted(path for path in folder.rglob("*.py"))


SOURCES = [
    *modules(CORE),
    *(path for path in modules(ROOT / "plugins") if "tests" not in path.parts),
]


def room(path):
    return path.relative_to(CORE).with_suffix("").parts[0]


def imported(path):
    """Every absolute name that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(name):
    path = CORE.parent / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def own_modules(path):
    for name in imported(path):
        if name.split(".")[0] == "equatorium":
            yield name if is_module(name) else name.rpartition(".")[0]


@pytest.mark.parametrize("path", modules(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_a_file_imports_only_downwards(path):
    mine = room(path)
    assert mine in FLOORS, f"{mine} has no floor: add it to the house plan"
    for name in own_modules(path):
        other = name.split(".")[1] if "." in name else "__init__"
        if name == "equatorium":
            assert FLOORS[mine] == 11 or path.name == "__init__.py", f"{path} imports the top"
            continue
        neighbours = FLOORS[other] == FLOORS[mine] and not (CORE / other).is_dir()
        assert other == mine or FLOORS[other] < FLOORS[mine] or neighbours, (
            f"{path.relative_to(ROOT)} (floor {FLOORS[mine]}) imports {name} "
            f"(floor {FLOORS[other]})"
        )


def test_no_circles_within_a_folder():
    graph = {}
    for path in modules(CORE):
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        graph[name] = {other for other in own_modules(path) if other not in (name, "equatorium")}
    done, trail = set(), []

    def visit(name):
        assert name not in trail, f"circle: {' -> '.join([*trail, name])}"
        if name in done:
            return
        trail.append(name)
        for other in graph.get(name, ()):
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_the_core_never_imports_torch():
    for path in modules(CORE):
        heads = {name.split(".")[0] for name in imported(path)}
        assert not heads & {"torch", "gpytorch", "linear_operator"}, path


@pytest.mark.parametrize("plugin", sorted(p.name for p in (ROOT / "plugins").iterdir()))
def test_a_plugin_imports_public_names_only(plugin):
    source = ROOT / "plugins" / plugin / "src"
    others = {p.name for p in (ROOT / "plugins").iterdir()} - {plugin}
    doors = {"equatorium", "equatorium.plugin", "equatorium.errors", "equatorium.checks"}
    for path in modules(source):
        for name in imported(path):
            head, _, tail = name.rpartition(".")
            assert not any(name.startswith(f"equatorium_{other}") for other in others), (path, name)
            if name.split(".")[0] == "equatorium":
                assert head in doors or name in doors, f"{path} imports {name}: use its public name"
                assert not tail.startswith("_"), f"{path} imports the private {name}"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_pickle_anywhere(path):
    heads = {name.split(".")[0] for name in imported(path)}
    assert not heads & PICKLERS, path
    text = path.read_text()
    assert "torch.load(" not in text and "torch.save(" not in text
    assert "allow_pickle=True" not in text


def test_no_public_function_has_the_name_of_a_module():
    stems = {path.stem for path in modules(CORE)} | {p.name for p in CORE.rglob("*") if p.is_dir()}
    for path in modules(CORE):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                # A click command is named after what the user types.
                if room(path) == "cli":
                    continue
                assert node.name not in stems, f"{path}: {node.name}() is also a module"


def modules_after(code):
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return {name.split(".")[0] for name in json.loads(out.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "code",
    [
        "import equatorium",
        "import equatorium as eq; eq.methods()",
        "from equatorium.cli import main; main(['plugins', 'list'], standalone_mode=False)",
    ],
)
def test_listing_is_light(code):
    assert not modules_after(code) & HEAVY


def test_every_public_name_exists():
    import equatorium as eq

    for name in eq.__all__:
        assert getattr(eq, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'emulatr'"):
        _ = eq.emulatr


def test_the_reference_lists_every_public_name():
    import equatorium as eq

    listed = set((ROOT / "docs" / "reference.md").read_text().split())
    assert set(eq.__all__) - {"__version__", "checks", "errors", "plots"} <= listed


def test_versions_move_in_lockstep():
    import equatorium as eq

    for plugin in (ROOT / "plugins").iterdir():
        text = (plugin / "src" / f"equatorium_{plugin.name}" / "__init__.py").read_text()
        assert f'__version__ = "{eq.__version__}"' in text, plugin.name


def test_files_hold_one_idea():
    long = [(len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in SOURCES]
    limit = {"src": 300, "plugins": 400}
    assert not [(n, name) for n, name in long if n > limit[Path(name).parts[0]]]
