"""The core's own methods keep the contracts that plugins must keep."""

from equatorium.testing import conformance

test_conformance = conformance(
    "equatorium",
    expected_failures={
        "command:the_written_form_comes_back": "its space and outputs have no written form yet"
    },
)
