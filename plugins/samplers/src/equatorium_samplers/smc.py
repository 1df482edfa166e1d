"""Sequential Monte Carlo by pocoMC: evidence in few, large batches."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equatorium import Posterior, RunSampler, View, WeightedRun, check_counts
from equatorium.checks import FloatArray
from equatorium.errors import InputError

_BATCHES = 1000  # of prior draws, before giving up


class PocoMC(RunSampler):
    """Sequential Monte Carlo by pocoMC: particles carried from the prior to the posterior.

    Further options are those of every `equatorium.RunSampler`.

    Parameters
    ----------
    active : int
        Particles that move together, one call of the likelihood for all.
    effective : int
        Effective particles at each temperature, more than `active`.
    total : int
        A run ends at the posterior when the weights suggest so many. (This is Kish's size, which
        is several times too large: it ends a run, and is never shown.)
    precondition : bool
        Whether a normalising flow straightens the posterior: for banana-like shapes. Training it
        costs minutes.

    Notes
    -----
    pocoMC takes its random numbers from the global generators of numpy and torch; they are put
    back as they were. Its licence is GPL-3.0.

    References
    ----------
    Karamanis et al. 2022, MNRAS 516, 1644, doi:10.1093/mnras/stac2272; Karamanis et al. 2022, JOSS
    7, 4634, doi:10.21105/joss.04634.
    """

    def __init__(
        self,
        active: int = 256,
        effective: int = 512,
        total: int = 2048,
        runs: int = 8,
        precondition: bool = False,
        until: Mapping[str, float] | None = None,
    ) -> None:
        self.active = active
        self.effective = effective
        self.total = total
        self.runs = runs
        self.precondition = precondition
        self.until = until

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return settings that take a second."""
        return {"active": 128, "effective": 256, "total": 256, "runs": 6}

    def _check(self, posterior: Posterior) -> str:
        counts = {
            "active": (self.active, 2 * posterior.d),
            "effective": (self.effective, self.active if isinstance(self.active, int) else 1),
            "total": (self.total, 16),
        }
        check_counts(counts, posterior.d)
        if not isinstance(self.precondition, bool):
            raise InputError(f"precondition must be True or False, not {self.precondition!r}.")
        return "pocomc"

    def _one(self, view: View, rng: np.random.Generator, tell: Any) -> WeightedRun:
        from pocomc import Sampler

        cube = _Cube(view, rng, tell)
        with _apart():
            sampler = Sampler(
                cube,
                cube.log_likelihood,
                n_dim=view.d,
                n_effective=self.effective,
                n_active=self.active,
                vectorize=True,
                precondition=self.precondition,
                n_steps=max(1, view.d // 2),
                random_state=int(rng.integers(2**32)),
            )
            sampler.run(n_total=self.total, n_evidence=self.total, progress=False)
            x, log_weight, value, _ = sampler.posterior(
                trim_importance_weights=False, return_logw=True
            )
            z, error = sampler.evidence()
        # The flow's evidence is of the whole cube, that of the temperatures of what is possible.
        whole = 0.0 if self.precondition else np.log(cube.possible)
        return WeightedRun(
            x,
            value,
            log_weight,
            float(z) + whole,
            float("nan") if error is None else float(error),
            cube.evaluations,
        )


class _Cube:
    """The unit cube of the prior, as pocoMC asks for a prior, and the likelihood on it.

    Where the likelihood is zero pocoMC would quietly take other points of the prior, so that its
    evidence is that of a prior cut to the rest. Here only possible points are drawn, and the part
    that they are is known.
    """

    def __init__(self, view: View, rng: np.random.Generator, tell: Any) -> None:
        self.view, self.rng, self.tell = view, rng, tell
        self.dim = view.d
        self.bounds = np.tile([0.0, 1.0], (view.d, 1))
        self.possible = 1.0
        self.evaluations = 0

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log-density (m,) of the prior."""
        return np.where(((x > 0) & (x < 1)).all(axis=1), 0.0, -np.inf)

    def rvs(self, size: int) -> FloatArray:
        """Draw `size` points of the prior at which the likelihood is not zero."""
        kept = np.empty((0, self.dim))
        for batch in range(1, _BATCHES + 1):
            x = self.rng.random((size, self.dim))
            kept = np.concatenate([kept, x[np.isfinite(self.log_likelihood(x))]])
            if len(kept) >= size:
                self.possible = len(kept) / (batch * size)
                return kept[:size]
        raise InputError(
            f"Among {_BATCHES * size} draws of the prior there are {len(kept)} of finite "
            f"likelihood, but {size} are needed. Use emcee, with starts where it is finite."
        )

    def log_likelihood(self, x: FloatArray) -> FloatArray:
        """Log-likelihood (m,), counted and shown."""
        self.evaluations += len(x)
        self.tell(calls=self.evaluations)
        return self.view.log_prob(x)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Put global generators and settings back as they were."""
    import torch

    state: Any = np.random.get_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]), np.errstate(all="ignore"):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        torch.set_num_threads(threads)
