"""The core's own methods keep the contracts that plugins must keep."""

from equatorium.testing import conformance

test_conformance = conformance("equatorium")
