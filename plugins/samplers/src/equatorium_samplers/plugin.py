"""What this distribution offers, as data: listing it imports neither numpy nor a sampler."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_samplers() -> Iterable[Method]:
    """List the samplers."""
    yield Method(
        name="hmc",
        target="equatorium_samplers.hmc:HMC",
        summary="Hamiltonian Monte Carlo of many chains at once, by the emulator's gradient",
        capabilities=("restart", "vectorised"),
        reference=(
            "Sountsov P. & Hoffman M. D. 2021, Focusing on difficult directions for learning HMC "
            "trajectory lengths, doi:10.48550/arXiv.2110.11576"
        ),
    )
