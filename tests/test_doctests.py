"""Every example in a docstring runs and gives what it says; those of whole pages run."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "src", *(plugin / "src" for plugin in (ROOT / "plugins").iterdir())]
MODULES = sorted(
    ".".join(path.relative_to(source).with_suffix("").parts)
    for source in SOURCES
    for path in source.rglob("*.py")
    if ">>> " in path.read_text()
)


def test_there_are_doctests():
    assert len(MODULES) > 20


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert result.failed == 0
    assert result.attempted > 0


PAGES = [
    "calibration",
    "checks",
    "compare",
    "likelihoods",
    "manifold",
    "multifidelity_gp",
    "nets",
    "priors",
    "regression",
    "regression_models",
    "residual_gp",
    "layered_gp",
    "samplers",
    "spectra",
    "trees",
    "trend_gp",
]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / f"{page}.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.S)
    assert code
    exec("\n".join(code), {"__name__": "page"})
