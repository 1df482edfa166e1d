"""Draws in other people's forms: ArviZ, GetDist, pandas and Astropy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equatorium.checks import FloatArray, Rng
from equatorium.errors import InputError, PluginLoadError
from equatorium.inference.data_parts import labels_of, taken
from equatorium.inference.likelihood_base import Likelihood
from equatorium.inference.pointwise import pointwise_log_likelihood
from equatorium.inference.predicted import predict_data
from equatorium.records.space import Space

if TYPE_CHECKING:
    import pandas
    from astropy.table import Table


def arviz_tree(
    samples: Mapping[str, FloatArray],
    log_prob: FloatArray,
    attributes: Mapping[str, Any],
    space: Space | None = None,
    likelihood: Any = None,
    rng: Rng = None,
    derived: Mapping[str, FloatArray] | None = None,
) -> Any:
    """Make an ArviZ DataTree of arrays (ensemble, step, walker); see `Draws.to_arviz`."""
    from arviz_base import from_dict

    groups: dict[str, Any] = {
        "posterior": {name: _chains(x) for name, x in {**samples, **(derived or {})}.items()},
        "sample_stats": {"lp": _chains(log_prob)},
    }
    options: dict[str, Any] = {}
    if likelihood is not None:
        stacked = np.stack(list(samples.values()), axis=-1)
        extra, labels = _of_data(stacked, tuple(samples), space, likelihood, rng)
        groups |= extra
        options = {"coords": {"datum": labels}, "dims": {"data": ["datum"]}}
    return from_dict(groups, attrs={"posterior": dict(attributes)}, **options)


def getdist_samples(
    samples: Mapping[str, FloatArray],
    log_prob: FloatArray,
    space: Space | None,
    label: str,
) -> Any:
    """Make GetDist's MCSamples, one chain an ensemble; see `Draws.to_getdist`."""
    try:
        from getdist import MCSamples
    except ImportError as error:
        raise PluginLoadError(
            f"GetDist is not installed ({error}): pip install equatorium[getdist]"
        ) from error
    stacked = np.stack(list(samples.values()), axis=-1)
    ensembles, d = len(stacked), len(samples)
    options: dict[str, Any] = {"labels": [_tex(name) for name in samples]}
    if space is not None:
        options["labels"] = [_tex(p.label or p.name) for p in space.parameters]
        ends = zip(space.low.tolist(), space.high.tolist(), strict=True)
        options["ranges"] = dict(zip(samples, map(list, ends), strict=True))
    return MCSamples(
        samples=list(stacked.reshape(ensembles, -1, d)),
        loglikes=list(-log_prob.reshape(ensembles, -1)),
        names=list(samples),
        label=label,
        **options,
    )


def astropy_table(
    samples: Mapping[str, FloatArray],
    log_prob: FloatArray,
    space: Space | None,
    meta: Mapping[str, Any],
) -> "Table":
    """Make an Astropy Table, one row a draw; see `Draws.to_table`."""
    from astropy.table import Table

    table = Table({name: x.ravel() for name, x in samples.items()}, meta=dict(meta))
    table["log_prob"] = log_prob.ravel()
    if space is not None:
        for parameter in space.parameters:
            if parameter.unit:
                table[parameter.name].unit = parameter.unit
    return table


def pandas_frame(
    samples: Mapping[str, FloatArray], log_prob: FloatArray, attributes: Mapping[str, Any]
) -> "pandas.DataFrame":
    """Make a pandas DataFrame, one row a draw; see `Draws.to_pandas`."""
    import pandas as pd

    index = pd.MultiIndex.from_product(
        [range(size) for size in log_prob.shape], names=["ensemble", "step", "walker"]
    )
    columns = {name: x.ravel() for name, x in samples.items()}
    frame = pd.DataFrame({**columns, "log_prob": log_prob.ravel()}, index=index)
    frame.attrs.update(attributes)
    return frame


def _chains(x: FloatArray) -> FloatArray:
    """Walkers as chains: (ensemble, step, walker, ...) to (chain, step, ...)."""
    return np.swapaxes(x, 1, 2).reshape(-1, x.shape[1], *x.shape[3:])


def _of_data(
    samples: FloatArray, names: tuple[str, ...], space: Space | None, likelihood: Any, rng: Rng
) -> tuple[dict[str, dict[str, FloatArray]], Sequence[Any]]:
    """Give the groups about the q data, and what the data are called."""
    shape = samples.shape[:3]
    theta = taken(samples.reshape(-1, samples.shape[-1]), names, space, likelihood)
    pointwise = pointwise_log_likelihood(likelihood, theta)
    groups = {"log_likelihood": {"data": _chains(pointwise.reshape(*shape, -1))}}
    labels = labels_of(likelihood, pointwise.shape[1])
    observation = getattr(likelihood, "observation", None)
    if observation is not None:
        groups["observed_data"] = {"data": np.asarray(observation.values)}
    if isinstance(likelihood, Likelihood):
        predicted = predict_data(theta, likelihood, rng, kind="posterior").replicated
        groups["posterior_predictive"] = {"data": _chains(predicted.reshape(*shape, -1))}
    if len(set(labels)) < len(labels):
        raise InputError(f"Two data have the same name: {', '.join(map(str, labels))}.")
    return groups, list(labels)


def _tex(label: str) -> str:
    r"""GetDist sets labels as formulas: take off dollars, and set plain words upright."""
    if "$" in label:
        return label.strip("$")
    return r"\mathrm{" + label.replace("_", r"\_") + "}"
