"""The conformance kit: whether the methods of a distribution keep the contracts of this library.

A whole test file of a plugin::

    from equatorium.testing import conformance

    test_conformance = conformance("my-dist")
"""

import importlib

from equatorium.testing.case import Case, NotHere, expect
from equatorium.testing.declared import check_for
from equatorium.testing.distribution import Distribution
from equatorium.testing.kit import Result, check, conformance

__all__ = [
    "Case",
    "Distribution",
    "NotHere",
    "Result",
    "check",
    "check_for",
    "conformance",
    "expect",
]

# Reading these files adds their checks, in the order in which they are made.
for _file in (
    "all",
    "model",
    "emulator",
    "capability",
    "embedder",
    "classifier",
    "kind",
    "simulator",
    "sampler",
    "files",
):
    importlib.import_module(f"equatorium.testing.checks_{_file}")
