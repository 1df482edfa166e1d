"""What this distribution offers, as data: listing it imports neither numpy nor a library."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_embedders() -> Iterable[Method]:
    """List the embedders."""
    yield Method(
        name="pca",
        target="equatorium_manifold.pca:PCA",
        summary="Principal components: full, randomised, or incremental from a file",
        capabilities=("inverse",),
        reference="Jolliffe I. T. & Cadima J. 2016, Philosophical Transactions of the Royal "
        "Society A 374, 20150202, doi:10.1098/rsta.2015.0202",
    )
    yield Method(
        name="hmf",
        target="equatorium_manifold.hmf:HMF",
        summary="Low-rank factorisation by the errors of every pixel, with gaps",
        capabilities=("inverse", "noise", "missing"),
        aliases=("weighted-pca",),
        reference=(
            "Tsalmantza P. & Hogg D. W. 2012, The Astrophysical Journal 753, 122, "
            "doi:10.1088/0004-637X/753/2/122",
            "Tipping M. E. & Bishop C. M. 1999, Journal of the Royal Statistical Society B 61, "
            "611, doi:10.1111/1467-9868.00196",
        ),
    )
