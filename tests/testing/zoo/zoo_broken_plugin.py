"""Gives one good method, and then fails."""

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_embedders():
    yield Method(name="oneway", target="zoo_good:OneWay", summary="Good in every way")
    raise RuntimeError("out of methods")
