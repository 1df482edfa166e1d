"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import equatorium_galaxies

MODULES = [info.name for info in pkgutil.iter_modules(equatorium_galaxies.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"equatorium_galaxies.{name}")
    failed, _ = doctest.testmod(module)
    assert failed == 0
