"""The networks keep the contracts of their kinds."""

from equatorium.testing import conformance

test_conformance = conformance("equatorium-nets")
