"""The public conformance kit, over all methods of this distribution."""

from equatorium.testing import conformance

test_conformance = conformance("equatorium-gp")
