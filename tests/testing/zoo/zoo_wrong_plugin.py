"""Lists the wrong methods, and imports them to do so: the one thing wrong with the distribution."""

import zoo_wrong

from equatorium import Method, hookimpl


def _listed(kind):
    for cls in zoo_wrong.WRONG:
        if zoo_wrong.kind_of(cls) == kind or (kind == "emulator" and _is_classifier(cls)):
            yield Method(
                name=cls.__name__.lower(),
                target=f"zoo_wrong:{cls.__name__}",
                roles=_roles(zoo_wrong.kind_of(cls)),
                capabilities=cls.capabilities,
                summary=getattr(cls, "summary", "Wrong in one way"),
                reference=getattr(cls, "reference", ()),
            )


def _is_classifier(cls):
    return zoo_wrong.kind_of(cls) == "classifier"


def _roles(kind):
    return ("emulator",) if kind in ("ensemble", "network") else (kind,)


@hookimpl
def register_emulators():
    return _listed("emulator")


@hookimpl
def register_embedders():
    return _listed("embedder")


@hookimpl
def register_ensembles():
    return _listed("ensemble")


@hookimpl
def register_networks():
    return _listed("network")


@hookimpl
def register_simulators():
    return _listed("simulator")


@hookimpl
def register_samplers():
    return _listed("sampler")
