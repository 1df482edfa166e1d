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
    yield Method(
        name="dynesty",
        target="equatorium_samplers.nested:Dynesty",
        summary="Nested sampling in batches: evidence, and modes that lie far apart",
        capabilities=("restart", "vectorised"),
        requires=("dynesty",),
        extra="dynesty",
        reference=(
            "Speagle J. S. 2020, Monthly Notices of the Royal Astronomical Society 493, 3132, "
            "doi:10.1093/mnras/staa278",
            "Skilling J. 2006, Bayesian Analysis 1, 833, doi:10.1214/06-BA127",
        ),
    )
    yield Method(
        name="pocomc",
        target="equatorium_samplers.smc:PocoMC",
        summary="Sequential Monte Carlo in few, large batches: evidence",
        capabilities=("restart", "vectorised"),
        requires=("pocomc",),
        extra="pocomc",
        reference=(
            "Karamanis M., Beutler F., Peacock J. A., Nabergoj D. & Seljak U. 2022, Monthly "
            "Notices of the Royal Astronomical Society 516, 1644, doi:10.1093/mnras/stac2272",
            "Karamanis M., Nabergoj D., Beutler F., Peacock J. A. & Seljak U. 2022, Journal of "
            "Open Source Software 7, 4634, doi:10.21105/joss.04634",
        ),
    )
