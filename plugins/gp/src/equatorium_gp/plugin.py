"""What this distribution offers, as data: listing it imports neither torch nor gpytorch."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl


@hookimpl
def register_emulators() -> Iterable[Method]:
    """Gaussian-process emulators."""
    yield Method(
        name="gp",
        target="equatorium_gp.gp:GP",
        summary="Gaussian processes with several kernels and trends, stacked by output",
        capabilities=(
            "variance",
            "covariance",
            "noise",
            "loo",
            "joint",
            "gradient",
            "update",
            "gpu",
        ),
        requires=("torch", "gpytorch"),
        reference=(
            "Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917, "
            "doi:10.1214/17-BA1091"
        ),
    )
    yield Method(
        name="trend-gp",
        target="equatorium_gp.trend_gp:TrendGP",
        summary="Polynomial trend, Gaussian process and nugget; many outputs share a kernel",
        capabilities=(
            "variance",
            "covariance",
            "noise",
            "loo",
            "joint",
            "gradient",
            "update",
            "gpu",
        ),
        requires=("torch", "gpytorch"),
        reference=(
            "Rodrigues L. F. S., Vernon I. & Bower R. G. 2017, MNRAS 466, 2418, "
            "doi:10.1093/mnras/stw3269"
        ),
    )
    yield Method(
        name="residual-gp",
        target="equatorium_gp.residual_gp:ResidualGP",
        summary="Any emulator as the mean, and a Gaussian process on what it leaves",
        capabilities=("variance", "covariance", "noise"),
        requires=("torch", "gpytorch"),
        reference=(
            "Kennedy M. C. & O'Hagan A. 2001, J. R. Statist. Soc. B 63, 425, "
            "doi:10.1111/1467-9868.00294"
        ),
    )
    yield Method(
        name="layered-gp",
        target="equatorium_gp.layered_gp:LayeredGP",
        summary="Gaussian processes in layers: each sees the inputs and what the one before says",
        capabilities=("variance", "covariance", "noise", "gradient", "gpu"),
        requires=("torch", "gpytorch"),
        reference=("Damianou A. & Lawrence N. 2013, AISTATS 31, 207, doi:10.48550/arXiv.1211.0358"),
    )
    yield Method(
        name="multifidelity-gp",
        target="equatorium_gp.multifidelity_gp:MultifidelityGP",
        summary="Many cheap and few dear runs: each level a factor times the one below, and a GP",
        capabilities=("variance", "covariance", "noise", "gpu"),
        requires=("torch", "gpytorch"),
        reference=(
            "Le Gratiet L. & Garnier J. 2014, International Journal for Uncertainty "
            "Quantification 4, 365, doi:10.1615/Int.J.UncertaintyQuantification.2014006914"
        ),
    )
    yield Method(
        name="sparse-gp",
        target="equatorium_gp.sparse_gp:SparseGP",
        summary="Gaussian processes with inducing points: up to 1e5 runs, several outputs",
        capabilities=("variance", "covariance", "noise", "gpu"),
        requires=("torch", "gpytorch"),
        reference=(
            "Burt D. R., Rasmussen C. E. & van der Wilk M. 2020, Journal of Machine Learning "
            "Research 21, 131, doi:10.48550/arXiv.2008.00323"
        ),
    )
    yield Method(
        name="grid-gp",
        target="equatorium_gp.grid_gp:GridGP",
        summary="Gaussian processes of images and other grids, complete or with gaps",
        capabilities=("variance", "noise"),
        requires=("torch", "gpytorch"),
        reference=(
            "Wilson A. G., Gilboa E., Nehorai A. & Cunningham J. P. 2014, NeurIPS 27, "
            "doi:10.48550/arXiv.1310.5288"
        ),
    )
