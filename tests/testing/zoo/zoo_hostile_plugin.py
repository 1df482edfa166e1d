"""Lists a method whose module makes the reader of files believe what it should not."""

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_embedders():
    yield Method(name="trusting", target="zoo_hostile:Trusting", summary="Weakens the reader")
