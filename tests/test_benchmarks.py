"""The benchmarks are not run here, but what they take from each other is there."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_from_another_exists(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
            "benchmarks."
        ):
            continue
        home = FOLDER / f"{node.module.split('.')[-1]}.py"
        assert home.is_file(), f"{path.name} imports {node.module}, which does not exist"
        names = {
            getattr(part, "name", None) or getattr(getattr(part, "targets", [part])[0], "id", None)
            for part in ast.parse(home.read_text()).body
        }
        for alias in node.names:
            assert alias.name in names, f"{node.module} has no {alias.name}"
