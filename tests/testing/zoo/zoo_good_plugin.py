"""Lists the good methods, as a plugin should: as data."""

from equatorium.plugin import Method, hookimpl


def method(name, *capabilities, roles=()):
    return Method(
        name=name.lower(),
        target=f"zoo_good:{name}",
        roles=roles,
        capabilities=capabilities,
        summary="Good in every way",
        reference="Someone 2001, doi:10.1000/xyz",
    )


@hookimpl
def register_emulators():
    yield method("Ridge", "variance")
    yield method("Weighted", "variance", "covariance", "noise")
    yield method("Able", "variance", "covariance", "joint", "gradient", "loo", "update")
    yield method("Patient", "variance", "missing")
    yield method("Card", "variance", "gpu")
    yield method("Centroid", roles=["classifier"])


@hookimpl
def register_embedders():
    yield method("Axes", "inverse", "noise", "missing")
    yield method("OneWay")


@hookimpl
def register_ensembles():
    yield method("Pair", "variance", roles=["emulator"])


@hookimpl
def register_networks():
    yield method("Net", "variance", roles=["emulator"])


@hookimpl
def register_simulators():
    yield method("Line", "noise")


@hookimpl
def register_samplers():
    yield method("Sieve", "restart", "vectorised")
