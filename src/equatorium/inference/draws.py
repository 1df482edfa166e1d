"""What a sampler hands back: draws of the parameters, and whether they may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from equatorium.checks import FloatArray, Rng, floats, read_only
from equatorium.errors import InputError, ShapeError, StateError, UnknownNameError, did_you_mean
from equatorium.inference.convergence import Convergence, assess, assess_runs
from equatorium.inference.draws_text import draws_as_text
from equatorium.inference.exchange import (
    arviz_tree,
    astropy_table,
    getdist_samples,
    pandas_frame,
)
from equatorium.records.base import Record, entries
from equatorium.records.outputs import unique_names
from equatorium.records.space import Space


@dataclass(frozen=True, eq=False)
class Draws(Record):
    """Draws from a posterior, after burn-in, in physical units.

    Parameters
    ----------
    names : sequence of str
        The d parameters.
    samples : array, shape (ensemble, step, walker, d)
        Ensembles started in different places; walkers of one ensemble depend on each other. Or,
        with ``meta["independent_runs"]``, (run, draw, 1, d): draws of equal weight in random order.
    log_prob : array, shape (ensemble, step, walker)
        Log of prior times likelihood, a density in the physical parameters.
    space : Space, optional
        Units, labels and priors.
    meta : mapping, optional
        JSON values: sampler, settings, ``thin`` (steps between stored ones), ``until`` (criteria
        of convergence), ``n_nan``, ``log_evidence`` with ``log_evidence_error``, and so on.

    Raises
    ------
    ShapeError, InputError
        If the shapes do not fit each other or a sample is not finite.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((4, 100, 8, 1))
    >>> draws = Draws(("a",), x, -0.5 * x[..., 0] ** 2)
    >>> draws.flat.shape
    (3200, 1)
    >>> bool(draws.rhat["a"] < 1.02)
    True
    """

    names: tuple[str, ...]
    samples: FloatArray
    log_prob: FloatArray
    space: Space | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        samples, log_prob = floats(self.samples, "samples"), floats(self.log_prob, "log_prob")
        names = unique_names(self.names, "parameters")
        if samples.ndim != 4 or samples.shape[-1] != len(names) or not samples.size:
            raise ShapeError(
                f"samples must have shape (ensemble, step, walker, {len(names)}) for "
                f"{', '.join(names)}, but it is {samples.shape}."
            )
        if log_prob.shape != samples.shape[:-1]:
            raise ShapeError(
                f"log_prob must have shape {samples.shape[:-1]}, but it is {log_prob.shape}."
            )
        if not (np.isfinite(samples).all() and np.isfinite(log_prob).all()):
            raise InputError("samples and log_prob must be finite: a draw has a density above 0.")
        if self.space is not None and self.space.names != names:
            raise InputError(
                f"The space has parameters {', '.join(self.space.names)}, but the draws are of "
                f"{', '.join(names)}."
            )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "samples", read_only(samples))
        object.__setattr__(self, "log_prob", read_only(log_prob))
        object.__setattr__(self, "meta", dict(self.meta))

    # -- numbers ---------------------------------------------------------------------------

    @property
    def d(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @property
    def flat(self) -> FloatArray:
        """All draws, shape (s, d)."""
        return self.samples.reshape(-1, self.d)

    def __getitem__(self, name: str) -> FloatArray:
        """Draws (s,) of one parameter."""
        if name not in self.names:
            raise UnknownNameError(
                f"There are no draws of {name!r}, but of {', '.join(self.names)}."
                f"{did_you_mean(name, self.names)}"
            )
        return np.asarray(self.flat[:, self.names.index(name)])

    @property
    def mean(self) -> FloatArray:
        """Posterior means, shape (d,)."""
        return np.asarray(self.flat.mean(axis=0))

    @property
    def std(self) -> FloatArray:
        """Posterior standard deviations, shape (d,)."""
        return np.asarray(self.flat.std(axis=0))

    def quantile(self, q: Any) -> FloatArray:
        """Quantiles of each parameter: (d,) for a number q, (len(q), d) for several."""
        return np.asarray(np.quantile(self.flat, q, axis=0))

    @cached_property
    def shrinkage(self) -> FloatArray:
        """Posterior sd over prior sd (d,), in the scaled coordinate; needs `space`."""
        if self.space is None:
            raise InputError("These draws know no prior; give Draws(..., space=...).")
        if self.space.conditional:
            prior = self.space.to_unit(self.space.sample(20_000, 0))
        else:
            grid = (np.arange(1000) + 0.5) / 1000
            prior = self.space.to_unit(self.space.from_cube(np.tile(grid[:, None], (1, self.d))))
        return np.asarray(self.space.to_unit(self.flat).std(axis=0) / prior.std(axis=0))

    @cached_property
    def derived(self) -> dict[str, FloatArray]:
        """Draws (ensemble, step, walker) of what the space derives from the parameters, by name."""
        if self.space is None:
            return {}
        columns = dict(zip(self.space.all_names, self.space.complete(self.flat).T, strict=True))
        return {n: columns[n].reshape(self.log_prob.shape) for n in self.space.derived_names}

    def thinned(self, n: int) -> FloatArray:
        """Choose `n` of the draws at random (n, d), the same ones each time; all if fewer."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise InputError(f"n must be a positive whole number of draws, but it is {n!r}.")
        chosen = np.random.default_rng(0).permutation(len(self.flat))[:n]
        return np.asarray(self.flat[np.sort(chosen)])

    # -- may they be believed --------------------------------------------------------------

    @cached_property
    def convergence(self) -> Convergence:
        """The evidence: nested R-hat, effective sample sizes, autocorrelation times."""
        until = self.meta.get("until")
        if self.meta.get("independent_runs"):
            return assess_runs(self.samples, self.names, until=until)
        return assess(self.samples, self.names, thin=self.meta.get("thin", 1), until=until)

    @property
    def converged(self) -> bool:
        """Whether all criteria of convergence are met."""
        return self.convergence.converged

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the draws are not converged; empty if they are."""
        return self.convergence.reasons

    @property
    def rhat(self) -> dict[str, float]:
        """Nested R-hat by parameter."""
        return dict(zip(self.names, self.convergence.rhat.tolist(), strict=True))

    @property
    def ess(self) -> dict[str, float]:
        """Effective sample size by parameter, the smaller of bulk and tail."""
        both = np.minimum(self.convergence.ess_bulk, self.convergence.ess_tail)
        return dict(zip(self.names, both.tolist(), strict=True))

    @property
    def notice(self) -> str:
        """What figures of these draws must say: nothing, if they are converged."""
        return "" if self.converged else "NOT CONVERGED"

    def summary(self) -> str:
        """Lay out the parameters, and the verdict on convergence, as text."""
        return draws_as_text(self)

    # -- elsewhere -------------------------------------------------------------------------

    def to_arviz(self, likelihood: Any = None, rng: Rng = None) -> Any:
        """ArviZ DataTree: ``posterior`` (with what is derived) and ``sample_stats`` (``lp``).

        A chain is one walker; walkers of ensemble k are chains k w to (k + 1) w - 1.

        Parameters
        ----------
        likelihood : GaussianLikelihood, optional
            Adds the groups ``log_likelihood`` (of each datum given the others; see
            `pointwise_log_likelihood`), ``observed_data`` and ``posterior_predictive``: one
            prediction a draw. Another likelihood adds what it knows.
        rng : int, Generator or None
            Of the posterior predictive.
        """
        ensembles, _, walkers, _ = self.samples.shape
        attributes = {
            "inference_library": "equatorium",
            "ensembles": ensembles,
            "walkers": walkers,
            "converged": int(self.converged),
            "reasons": "; ".join(self.reasons),
        }
        own = self._columns, self.log_prob, attributes, self.space
        return arviz_tree(*own, likelihood, rng, self.derived)

    def to_getdist(self) -> Any:
        """GetDist's MCSamples, one chain an ensemble, with labels and the box of the prior.

        Raises
        ------
        PluginLoadError
            If GetDist is not installed.
        """
        return getdist_samples(self._columns, self.log_prob, self.space, self.notice)

    def to_pandas(self) -> Any:
        """Pandas DataFrame, one row a draw, indexed by ensemble, step and walker.

        ``attrs`` says whether the draws are converged, and why not.
        """
        attributes = {"converged": self.converged, "reasons": list(self.reasons)}
        return pandas_frame(self._columns, self.log_prob, attributes)

    def to_table(self) -> Any:
        """Astropy Table, one row a draw: the parameters (with units) and ``log_prob``.

        ``meta`` is that of the draws, and says whether they are converged.
        """
        meta = {**self.meta, "converged": self.converged, "reasons": list(self.reasons)}
        return astropy_table(self._columns, self.log_prob, self.space, meta)

    @property
    def _columns(self) -> dict[str, FloatArray]:
        return {name: self.samples[..., i] for i, name in enumerate(self.names)}

    def get_state(self) -> dict[str, Any]:
        """Give all fields and the evidence, so that a file says itself whether it converged."""
        return {
            "names": list(self.names),
            "samples": self.samples,
            "log_prob": self.log_prob,
            "space": self.space,
            "meta": dict(self.meta),
            "convergence": self.convergence.get_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild, with all checks of construction; the evidence is kept, not computed anew."""
        names = ("names", "samples", "log_prob", "space", "meta", "convergence")
        *fields, evidence = entries(state, *names, of="Draws")
        try:
            made = cls(*fields)
        except InputError as error:
            raise StateError(f"The state of Draws is not valid: {error}") from error
        made.__dict__["convergence"] = Convergence.from_state(evidence)
        return made
