from equatorium.testing import conformance

test_conformance = conformance("equatorium-trees")
