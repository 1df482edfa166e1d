"""What this distribution offers, as data: listing it imports nothing."""

from equatorium.plugin import Method, hookimpl

_CART = (
    "Breiman L., Friedman J., Olshen R. & Stone C. 1984, Classification and Regression Trees, "
    "ISBN 978-0-412-04841-8"
)
_FOREST = "Breiman L. 2001, Machine Learning 45, 5, doi:10.1023/A:1010933404324"
_EXTRA = "Geurts P., Ernst D. & Wehenkel L. 2006, Machine Learning 63, 3, doi:10.1007/s10994-006-6226-1"
_WHERE = "equatorium_trees."
_NUMBERS = ("ensemble", "emulator")
_CLASSES = ("ensemble", "classifier")


@hookimpl
def register_emulators():
    """List what has no members."""
    yield Method(
        name="tree",
        target=_WHERE + "forest:Tree",
        summary="A decision tree: the distribution of the runs in a leaf",
        capabilities=("variance", "covariance", "missing"),
        reference=_CART,
    )
    yield Method(
        name="tree-classifier",
        target=_WHERE + "forest_classifier:TreeClassifier",
        roles=("classifier",),
        summary="A decision tree: the shares of the classes in a leaf, calibrated",
        capabilities=("missing",),
        reference=_CART,
    )


@hookimpl
def register_ensembles():
    """List what has members."""
    leaves = ("variance", "covariance", "noise", "missing", "loo")
    yield Method(
        name="forest",
        target=_WHERE + "forest:Forest",
        roles=_NUMBERS,
        summary="A random forest with the distribution of the runs in the leaves",
        capabilities=leaves,
        reference=_FOREST,
    )
    yield Method(
        name="forest-classifier",
        target=_WHERE + "forest_classifier:ForestClassifier",
        roles=_CLASSES,
        summary="A random forest with calibrated probabilities of classes",
        capabilities=("missing",),
        reference=_FOREST,
    )
    yield Method(
        name="extra-trees",
        target=_WHERE + "forest:ExtraTrees",
        roles=_NUMBERS,
        summary="Extremely randomised trees with the distribution of the runs in the leaves",
        capabilities=leaves,
        reference=_EXTRA,
    )
    yield Method(
        name="extra-trees-classifier",
        target=_WHERE + "forest_classifier:ExtraTreesClassifier",
        roles=_CLASSES,
        summary="Extremely randomised trees with calibrated probabilities of classes",
        capabilities=("missing",),
        reference=_EXTRA,
    )
