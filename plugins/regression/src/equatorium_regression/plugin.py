"""What this distribution offers, as data: listing it imports nothing slow."""

from collections.abc import Iterable

from equatorium.plugin import Method, hookimpl

_LOCAL = ("variance", "covariance", "noise", "loo")
_LINEAR = (*_LOCAL, "joint", "gradient")


@hookimpl
def register_emulators() -> Iterable[Method]:
    """Emulators, and classifiers on the same shelf."""
    yield Method(
        name="knn",
        target="equatorium_regression.knn:KNN",
        summary="The mean of the nearest runs, in a metric learned from the outputs' slopes",
        capabilities=_LOCAL,
        requires=("scipy", "sklearn"),
        reference=(
            "Cover T. & Hart P. 1967, IEEE Transactions on Information Theory 13, 21, "
            "doi:10.1109/TIT.1967.1053964"
        ),
    )
    yield Method(
        name="kernel",
        target="equatorium_regression.kernel:Kernel",
        summary="Nadaraya and Watson's weighted mean, its bandwidth by leaving runs out",
        capabilities=_LOCAL,
        requires=("scipy", "sklearn"),
        reference=(
            "Nadaraya E. A. 1964, Theory of Probability and its Applications 9, 141, "
            "doi:10.1137/1109020"
        ),
    )
    yield Method(
        name="local-linear",
        target="equatorium_regression.local_linear:LocalLinear",
        summary="A weighted straight line at every point, its bandwidth by leaving runs out",
        capabilities=_LOCAL,
        requires=("scipy", "sklearn"),
        reference=(
            "Cleveland W. S. & Devlin S. J. 1988, Journal of the American Statistical "
            "Association 83, 596, doi:10.1080/01621459.1988.10478639"
        ),
    )
    yield Method(
        name="polynomial",
        target="equatorium_regression.polynomial:Polynomial",
        summary="All powers of the inputs up to a degree, by least squares and leave-one-out",
        capabilities=_LINEAR,
        requires=("scipy",),
    )
    yield Method(
        name="ridge",
        target="equatorium_regression.ridge:Ridge",
        summary="Least squares with small coefficients, the penalty by leave-one-out",
        capabilities=_LINEAR,
        requires=("scipy",),
        reference="Hoerl A. E. & Kennard R. W. 1970, Technometrics 12, 55, "
        "doi:10.1080/00401706.1970.10488634",
    )
    yield Method(
        name="lasso",
        target="equatorium_regression.lasso:Lasso",
        summary="Least squares with few coefficients; the penalty by cross-validation",
        capabilities=_LINEAR,
        requires=("scipy", "sklearn"),
        reference="Tibshirani R. 1996, Journal of the Royal Statistical Society B 58, 267, "
        "doi:10.1111/j.2517-6161.1996.tb02080.x",
    )
    yield Method(
        name="basis",
        target="equatorium_regression.basis:Basis",
        summary="Gaussian or polynomial basis functions, exact posterior, precision by evidence",
        capabilities=_LINEAR,
        requires=("scipy",),
        reference="MacKay D. J. C. 1992, Neural Computation 4, 415, doi:10.1162/neco.1992.4.3.415",
    )
    yield Method(
        name="robust",
        target="equatorium_regression.robust:Robust",
        summary="Lines that wild runs do not move: Huber, Theil-Sen, RANSAC",
        capabilities=("variance", "covariance", "noise", "joint", "gradient"),
        requires=("scipy", "sklearn"),
        reference=(
            "Huber P. J. 1964, Annals of Mathematical Statistics 35, 73, "
            "doi:10.1214/aoms/1177703732",
            "Fischler M. A. & Bolles R. C. 1981, Communications of the ACM 24, 381, "
            "doi:10.1145/358669.358692",
        ),
    )
    yield Method(
        name="naive-bayes",
        target="equatorium_regression.naive_bayes:NaiveBayes",
        roles=("classifier",),
        summary="Gaussian naive Bayes, its probabilities calibrated on rows left out",
        requires=("scipy",),
        reference="Hand D. J. & Yu K. 2001, International Statistical Review 69, 385, "
        "doi:10.2307/1403452",
    )
    yield Method(
        name="knn-classifier",
        target="equatorium_regression.knn_classifier:KNNClassifier",
        roles=("classifier",),
        summary="The classes of the nearest rows, in a metric learned from their slopes",
        requires=("scipy", "sklearn"),
        reference=(
            "Cover T. & Hart P. 1967, IEEE Transactions on Information Theory 13, 21, "
            "doi:10.1109/TIT.1967.1053964"
        ),
    )
    yield Method(
        name="gmm",
        target="equatorium_regression.gmm:GMM",
        roles=("classifier",),
        summary="A Gaussian mixture for each class, as many as the BIC finds; also as a density",
        requires=("scipy", "sklearn"),
        reference=(
            "Fraley C. & Raftery A. E. 2002, Journal of the American Statistical Association "
            "97, 611, doi:10.1198/016214502760047131"
        ),
    )
