r"""What the posterior would be with the simulator itself in the emulator's place.

Runs at n draws theta_i of the posterior give the weights

.. math:: w_i \propto \frac{N(y; R f(\theta_i), \Sigma_{obs} + \Sigma_{disc} + R \Sigma_{sim} R^T
   + R V_i R^T)}{L_{em}(\theta_i)},

where V is the declared variance of a run's own noise. Small shifts say that the emulator does not
matter; weights that fail say that it does, and where to run next: at these very draws.
"""

import numpy as np

from equatorium.checks import Rng, generator
from equatorium.errors import InputError
from equatorium.inference.data_parts import log_density, require_gaussian
from equatorium.inference.draws import Draws
from equatorium.inference.likelihood import GaussianLikelihood
from equatorium.inference.reweight import Reweighted, reweighted
from equatorium.interfaces.simulator import Simulator
from equatorium.records.covariance import Diagonal
from equatorium.records.runs import Runs
from equatorium.simulate.execute import run_design

_REMEDY = (
    "The emulator's posterior is not the simulator's: add these runs to its training set (a further"
    " wave), and sample anew."
)


def reweighted_by_runs(
    draws: Draws,
    likelihood: GaussianLikelihood,
    source: Simulator | Runs,
    n: int = 200,
    rng: Rng = None,
    *,
    progress: bool = True,
) -> Reweighted:
    """Weigh draws by the simulator's likelihood over the emulator's.

    Parameters
    ----------
    draws : Draws
    likelihood : GaussianLikelihood
        The one behind the draws.
    source : Simulator or Runs
        Is run at n draws, on all processors; or runs made already, at draws of this posterior
        (``run_design`` at ``draws.thinned(n)`` keeps a ledger).
    n : int
        Number of runs. Few weights are trusted less: up to a Pareto k of 0.5 for 100, of 0.57 for
        200, of 0.7 for 2200 or more.
    rng : int, Generator or None
        Of the simulator.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Reweighted
        Runs that failed are left out. Numbers made of weights that may not be used raise.

    Raises
    ------
    InputError
        If the likelihood is of another kind or of other parameters, or too few runs succeed.
    """
    likelihood = require_gaussian(likelihood)
    if likelihood.names != draws.names:
        raise InputError(
            f"The runs would be at {', '.join(draws.names)}, but the likelihood takes "
            f"{', '.join(likelihood.names)}. Free scales cannot be weighed by runs."
        )
    runs = source
    if isinstance(source, Simulator):
        space = draws.space
        if space is None:
            raise InputError("Draws without a space say nothing to a simulator: give Runs.")
        seed = int(generator(rng).integers(2**32))
        runs = run_design(source, space, draws.thinned(n), seed=seed, progress=progress)
    if not isinstance(runs, Runs) or runs.space.names != draws.names:
        raise InputError(
            f"True runs come from a Simulator, or are Runs over {', '.join(draws.names)}, but "
            f"they are {source!r:.80}."
        )
    good = runs.good
    R = likelihood.observation.match(good.outputs)
    total = likelihood.constant
    if good.noise is not None:
        total = total + Diagonal(good.noise).project(R)
    true = log_density(likelihood.observation.values - good.Y @ R.T, total)
    title = "True runs in place of the emulator"
    if good.n < runs.n:
        title += f" ({runs.n - good.n} of {runs.n} runs failed)"
    ratios = true - likelihood.log_likelihood(good.X)
    return reweighted(draws, np.asarray(good.X), ratios, title, _REMEDY)
