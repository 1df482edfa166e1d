"""What this package offers, as data: listing it imports nothing."""

from equatorium import Method, hookimpl


@hookimpl
def register_emulators():
    """List the emulators."""
    yield Method(
        name="rbf",
        target="equatorium_example.rbf:RBF",
        summary="Radial basis functions of SciPy, with errors from runs left out",
        capabilities={"variance", "covariance"},
        reference="Hardy R. L. 1971, Journal of Geophysical Research 76, 1905, "
        "doi:10.1029/JB076i008p01905",
    )
