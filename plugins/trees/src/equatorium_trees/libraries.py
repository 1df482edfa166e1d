"""Gradient boosting by scikit-learn or LightGBM: fitted there, returned as plain arrays."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from equatorium import errors
from equatorium_trees.additive import Additive

LIBRARIES = ("scikit-learn", "lightgbm")


def boost(library, X, y, weight, loss, options):
    """Fit sums of trees.

    Parameters
    ----------
    library : {"scikit-learn", "lightgbm"}
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
        Numbers, or classes 0 .. c - 1.
    weight : ndarray, shape (n,), or None
    loss : {"squared", "gamma", "classes"}
        The sums are of the mean; of its logarithm; of the log-odds or of the logarithms of the
        classes' probabilities.
    options : mapping
        ``n_estimators``, ``learning_rate``, ``max_leaf_nodes``, ``min_samples_leaf``, ``l2``,
        ``random_state``.

    Returns
    -------
    dict of ndarray
        The arrays of `Additive`; two classes have one column.
    """
    if library == "scikit-learn":
        return _scikit_learn(X, y, weight, loss, **options)
    if library == "lightgbm":
        return _lightgbm(X, y, weight, loss, **options)
    raise errors.InputError(f"library must be one of {', '.join(LIBRARIES)}, not {library!r}.")


def _scikit_learn(X, y, weight, loss, *, n_estimators, l2, **options):
    options = {
        **options,
        "max_iter": n_estimators,
        "l2_regularization": l2,
        "early_stopping": False,
    }
    if loss == "classes":
        model = HistGradientBoostingClassifier(**options).fit(X, y, sample_weight=weight)
        raw = model.decision_function(X[:1]).reshape(-1)
    else:
        name = {"squared": "squared_error", "gamma": "gamma"}[loss]
        model = HistGradientBoostingRegressor(loss=name, **options)
        raw = model.fit(X, y, sample_weight=weight).predict(X[:1])
        raw = np.log(raw) if loss == "gamma" else raw
    # Nothing public has them; a test compares their sums with what the library predicts.
    stages = model._predictors
    trees = [_nodes(stage[k].nodes) for k in range(len(raw)) for stage in stages]
    arrays = _arrays(trees, np.repeat(np.arange(len(raw)), len(stages)), len(raw))
    arrays["base_"] = raw - Additive(arrays)(X[:1])[0]
    return arrays


def _nodes(nodes):
    """Return the columns of `_arrays` for a tree of scikit-learn."""
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature_": np.where(leaf, 0, nodes["feature_idx"]),
        "threshold_": np.where(leaf, 0.0, nodes["num_threshold"]),
        "left_": np.where(leaf, -1, nodes["left"].astype(np.int64)),
        "right_": np.where(leaf, -1, nodes["right"].astype(np.int64)),
        "missing_left_": nodes["missing_go_to_left"].astype(bool) & ~leaf,
        "leaf_value_": np.where(leaf, nodes["value"], 0.0),
    }


def _lightgbm(X, y, weight, loss, *, n_estimators, max_leaf_nodes, min_samples_leaf, l2, **options):
    try:
        import lightgbm
    except ImportError as error:
        raise errors.PluginLoadError(
            "library='lightgbm' needs LightGBM: pip install 'equatorium-trees[lightgbm]'"
        ) from error
    columns = int(y.max()) + 1 if loss == "classes" else 1
    columns = 1 if columns == 2 else columns
    objective = {
        "squared": "regression",
        "gamma": "gamma",
        "classes": "binary" if columns == 1 else "multiclass",
    }[loss]
    parameters = {
        "objective": objective,
        "num_class": columns,
        "learning_rate": options["learning_rate"],
        "num_leaves": max_leaf_nodes,
        "min_data_in_leaf": min_samples_leaf,
        "lambda_l2": l2,
        "seed": options["random_state"] or 0,
        "deterministic": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(X, y, weight=weight, params={"verbosity": -1}, free_raw_data=False)
    model = lightgbm.train(parameters, data, num_boost_round=n_estimators)
    listed = [_walked(one["tree_structure"]) for one in model.dump_model()["tree_info"]]
    order = np.argsort(np.arange(len(listed)) % columns, kind="stable")
    column = np.sort(np.arange(len(listed)) % columns)
    return _arrays([listed[i] for i in order], column, columns)


def _walked(root):
    """Return the columns of `_arrays` for a tree of LightGBM: parents before their children."""
    rows, waiting = [], [(root, None, "")]
    while waiting:
        node, parent, side = waiting.pop()
        if parent is not None:
            rows[parent][side] = len(rows)
        row = {"left_": -1, "right_": -1, "feature_": 0, "threshold_": 0.0}
        row |= {"missing_left_": False, "leaf_value_": node.get("leaf_value", 0.0)}
        if "split_feature" in node:
            # Without a missing value in the runs, LightGBM takes one for zero.
            never = node["missing_type"] == "None"
            left = node["threshold"] >= 0.0 if never else node["default_left"]
            row |= {"feature_": node["split_feature"], "threshold_": node["threshold"]}
            row["missing_left_"] = bool(left)
            waiting += [(node[f"{s}_child"], len(rows), f"{s}_") for s in ("right", "left")]
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _arrays(trees, column, columns):
    """Join trees to the arrays of `Additive`."""
    types = {"threshold_": np.float64, "leaf_value_": np.float64, "missing_left_": np.bool_}
    out = {
        name: np.concatenate([tree[name] for tree in trees]).astype(types.get(name, np.int32))
        for name in trees[0]
    }
    sizes = [len(tree["left_"]) for tree in trees]
    out["offset_"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    out["column_"] = np.asarray(column, dtype=np.int64)
    out["base_"] = np.zeros(columns)
    return out
