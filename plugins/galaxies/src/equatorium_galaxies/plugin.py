"""What the plugin offers, for the registry to list; importing this loads nothing heavy."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_simulators() -> Iterable[Method]:
    """List the galaxy-formation model."""
    return [
        Method(
            name="galaxy-formation",
            target="equatorium_galaxies.simulator:GalaxyFormation",
            roles=("simulator",),
            summary="Stellar mass functions at z = 0 to 1.5 from a 20-parameter galaxy model",
            capabilities=("noise",),
            reference=(
                "Rodrigues L. F. S., Vernon I. & Bower R. G. 2017, MNRAS 466, 2418, "
                "doi:10.1093/mnras/stw3269",
                "Parkinson H., Cole S. & Helly J. 2008, MNRAS 383, 557, "
                "doi:10.1111/j.1365-2966.2007.12517.x",
            ),
        )
    ]
