"""What this distribution offers, as data: listing it imports neither numpy nor a library."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl

# Methods that place every training row by itself: the way back, and for some the way to new rows,
# is one that all of them share, and no part of the method.
_PLACED = ("inverse", "fallback:inverse")
_FALLBACK = (*_PLACED, "fallback:transform")


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
    yield Method(
        name="nmf",
        target="equatorium_manifold.nmf:NMF",
        summary="Non-negative factorisation, also with errors and gaps",
        capabilities=("inverse", "noise", "missing"),
        reference=(
            "Lee D. D. & Seung H. S. 1999, Nature 401, 788, doi:10.1038/44565",
            "Zhu G. 2016, Nonnegative matrix factorization with heteroscedastic uncertainties and "
            "missing data, doi:10.48550/arXiv.1612.06037",
        ),
    )
    yield Method(
        name="lle",
        target="equatorium_manifold.lle:LLE",
        summary="Locally linear embedding: standard, modified, Hessian, LTSA; robust",
        capabilities=_PLACED,
        reference=(
            "Roweis S. T. & Saul L. K. 2000, Science 290, 2323, doi:10.1126/science.290.5500.2323",
            "VanderPlas J. & Connolly A. 2009, The Astronomical Journal 138, 1365, "
            "doi:10.1088/0004-6256/138/5/1365",
        ),
    )
    yield Method(
        name="isomap",
        target="equatorium_manifold.isomap:Isomap",
        summary="Isomap: distances along the manifold",
        capabilities=_PLACED,
        reference="Tenenbaum J. B., de Silva V. & Langford J. C. 2000, Science 290, 2319, "
        "doi:10.1126/science.290.5500.2319",
    )
    yield Method(
        name="mds",
        target="equatorium_manifold.mds:MDS",
        summary="Multidimensional scaling: distances as in the data",
        capabilities=_FALLBACK,
        reference="Kruskal J. B. 1964, Psychometrika 29, 1, doi:10.1007/BF02289565",
    )
    yield Method(
        name="spectral",
        target="equatorium_manifold.spectral:Spectral",
        summary="Spectral embedding: smooth functions on the graph of neighbours",
        capabilities=_FALLBACK,
        reference="Belkin M. & Niyogi P. 2003, Neural Computation 15, 1373, "
        "doi:10.1162/089976603321780317",
    )
    yield Method(
        name="tsne",
        target="equatorium_manifold.tsne:TSNE",
        summary="t-SNE: exact, Barnes-Hut or FFT, with places for new rows",
        capabilities=_PLACED,
        requires=("openTSNE",),
        extra="tsne",
        reference=(
            "van der Maaten L. & Hinton G. 2008, Journal of Machine Learning Research 9, 2579, "
            "2008JMLR....9.2579V",
            "Policar P. G., Strazar M. & Zupan B. 2024, Journal of Statistical Software 109(3), "
            "doi:10.18637/jss.v109.i03",
        ),
    )
    yield Method(
        name="umap",
        target="equatorium_manifold.uniform:UMAP",
        summary="UMAP: the fuzzy graph of neighbours",
        capabilities=_FALLBACK,
        requires=("umap",),
        extra="umap",
        reference="McInnes L., Healy J. & Melville J. 2018, doi:10.48550/arXiv.1802.03426",
    )
