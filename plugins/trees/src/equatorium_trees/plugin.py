"""What this distribution offers, as data: listing it imports nothing."""

from equatorium.plugin import Method, hookimpl

_CART = (
    "Breiman L., Friedman J., Olshen R. & Stone C. 1984, Classification and Regression Trees, "
    "ISBN 978-0-412-04841-8"
)
_FOREST = "Breiman L. 2001, Machine Learning 45, 5, doi:10.1023/A:1010933404324"
_EXTRA = (
    "Geurts P., Ernst D. & Wehenkel L. 2006, Machine Learning 63, 3, doi:10.1007/s10994-006-6226-1"
)
_BOOSTING = (
    "Friedman J. H. 2001, Annals of Statistics 29, 1189, doi:10.1214/aos/1013203451",
    "Ke G. et al. 2017, LightGBM, Advances in Neural Information Processing Systems 30, 3146, "
    "ISBN 978-1-5108-6096-4",
)
_BAGGING = "Breiman L. 1996, Machine Learning 24, 123, doi:10.1007/BF00058655"
_ADABOOST = (
    "Freund Y. & Schapire R. E. 1997, Journal of Computer and System Sciences 55, 119, "
    "doi:10.1006/jcss.1997.1504",
    "Drucker H. 1997, Proceedings of the 14th International Conference on Machine Learning, 107, "
    "ISBN 1-55860-486-3",
    "Zhu J., Zou H., Rosset S. & Hastie T. 2009, Statistics and Its Interface 2, 349, "
    "doi:10.4310/SII.2009.v2.n3.a8",
)
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
    yield Method(
        name="gradient-boosting",
        target=_WHERE + "boosting:GradientBoosting",
        roles=_NUMBERS,
        summary="Gradient boosting of a mean and a local scale, with the shape of unseen errors",
        capabilities=("variance", "covariance", "noise", "missing"),
        reference=_BOOSTING,
    )
    yield Method(
        name="gradient-boosting-classifier",
        target=_WHERE + "boosting_classifier:GradientBoostingClassifier",
        roles=_CLASSES,
        summary="Gradient boosting of classes, cross-fitted, with calibrated probabilities",
        capabilities=("missing",),
        reference=_BOOSTING,
    )
    yield Method(
        name="bagging",
        target=_WHERE + "bagging:Bagging",
        roles=_NUMBERS,
        summary="Any emulator on bootstrap samples: the mixture of its answers",
        capabilities=("variance", "covariance", "noise"),
        reference=_BAGGING,
    )
    yield Method(
        name="bagging-classifier",
        target=_WHERE + "bagging:BaggingClassifier",
        roles=_CLASSES,
        summary="Any classifier on bootstrap samples, with calibrated probabilities",
        capabilities=("missing",),
        reference=_BAGGING,
    )
    yield Method(
        name="adaboost",
        target=_WHERE + "adaboost:AdaBoost",
        roles=_NUMBERS,
        summary="AdaBoost.R2 over any emulator, with the scatter of unseen errors",
        capabilities=("variance", "covariance", "missing"),
        reference=_ADABOOST,
    )
    yield Method(
        name="adaboost-classifier",
        target=_WHERE + "adaboost:AdaBoostClassifier",
        roles=_CLASSES,
        summary="AdaBoost (SAMME) over any classifier, with calibrated probabilities",
        capabilities=("missing",),
        reference=_ADABOOST,
    )
