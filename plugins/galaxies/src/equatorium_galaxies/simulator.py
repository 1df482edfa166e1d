"""The galaxy-formation model as a simulator of equatorium."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from equatorium import Covariance, Dense, Outputs, Simulated, Simulator
from equatorium.errors import InputError
from equatorium_galaxies.arrays import FloatArray
from equatorium_galaxies.cache import cached
from equatorium_galaxies.forest import OUTPUT_REDSHIFTS
from equatorium_galaxies.outputs import BIN_CENTRES, MassFunctions, run
from equatorium_galaxies.parameters import Parameters, parameter_space
from equatorium_galaxies.pool import FOREST_VERSION, forest_of

__all__ = ["GalaxyFormation"]

_COVARIANCE_FORESTS = 8


class GalaxyFormation(Simulator):
    """Stellar mass functions at z = 0, 0.5, 1 and 1.5 from a compact semi-analytic model.

    The outputs are log10 phi in 20 bins of log10 (M_*/Msun) from 8 to 12 at each redshift, with
    phi not below 10^-6. They come from a sample of merger trees, a *forest*. Each run takes its
    forest from a pool, so that the sampling error is noise, independent between runs, and is
    returned as the run's variance. With a pool of one forest, its error is common to all runs:
    the runs have no variance, and `covariance` holds it.

    Parameters
    ----------
    scale : float
        Resolution: trees in a forest, relative to 1070. Time and 1/variance go with it.
    mass_floor : float
        Smallest halo mass that is followed [Msun].
    substeps : int
        Sub-steps between snapshots.
    forests : int
        Forests in the pool. An emulator learns their mean, which differs from that of all possible
        ones by 1 / sqrt(forests) of their scatter: take hundreds where errors are to be honest.
    seed : int
        Of the pool's first forest; the others have the seeds that follow.
    scatter : pair of float
        Error of measured stellar masses [dex] at z = 0, and its slope with redshift.

    References
    ----------
    Rodrigues, Vernon & Bower 2017, MNRAS 466, 2418, doi:10.1093/mnras/stw3269: the parameters and
    their ranges. It is not their model (GALFORM is not public), but one in its style.

    Examples
    --------
    >>> simulator = GalaxyFormation(scale=0.02, mass_floor=1e11)
    >>> result = simulator(simulator.space.defaults, rng=1)
    >>> len(result.values), simulator.outputs.names[5]
    (80, 'phi_z0.0_m9.1')
    """

    name = "galaxy-formation"
    version = f"1.{FOREST_VERSION}"
    observations: ClassVar[Mapping[str, str]] = {
        "stellar-mass-functions": "equatorium_galaxies.observations:stellar_mass_functions"
    }

    def __init__(
        self,
        scale: float = 0.2,
        mass_floor: float = 1e10,
        substeps: int = 2,
        forests: int = 16,
        seed: int = 0,
        scatter: Sequence[float] = (0.1, 0.04),
    ) -> None:
        self.scale = _number("scale", scale, 1e-3, 1e3)
        self.mass_floor = _number("mass_floor", mass_floor, 1e8, 1e12)
        self.substeps = _whole("substeps", substeps, 1, 1000)
        self.forests = _whole("forests", forests, 1, 10_000)
        self.seed = _whole("seed", seed, 0, 2**62)
        if not isinstance(scatter, Sequence) or isinstance(scatter, str) or len(scatter) != 2:
            raise InputError(
                f"scatter must be two numbers [dex], at z = 0 and per unit redshift, such as "
                f"[0.1, 0.04], but it is {scatter!r}."
            )
        self.scatter = (
            _number("scatter at z = 0", scatter[0], 1e-3, 1.0),
            _number("scatter per redshift", scatter[1], 0.0, 1.0),
        )
        self.options = {
            "scale": self.scale,
            "mass_floor": self.mass_floor,
            "substeps": self.substeps,
            "forests": self.forests,
            "seed": self.seed,
            "scatter": list(self.scatter),
        }
        self.space = parameter_space()
        places = [(z, m) for z in OUTPUT_REDSHIFTS for m in BIN_CENTRES]
        self.outputs = Outputs(
            [f"phi_z{z:.1f}_m{m:.1f}" for z, m in places],
            {"log_mstar": [m for _, m in places], "z": [z for z, _ in places]},
            units={"log_mstar": "log10(Msun)"},
            label="log10 phi",
            unit="log10(Mpc^-3 dex^-1)",
        )

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return two small forests of massive haloes."""
        return {"scale": 0.02, "mass_floor": 1e12, "forests": 2}

    def __call__(self, theta: FloatArray, *, rng: int | np.random.Generator | None) -> Simulated:
        """Run the model once, on a forest that `rng` picks from the pool.

        Parameters
        ----------
        theta : (20,) array
            Physical values, in the order of ``space.names``.
        rng : int, Generator or None

        Returns
        -------
        Simulated
            Values and variance (80,), and the seed of the forest in ``info["forest"]``.
        """
        values = np.asarray(theta, dtype=np.float64)
        if values.shape != (len(Parameters._fields),) or not np.isfinite(values).all():
            raise InputError(
                f"theta must be {len(Parameters._fields)} finite numbers "
                f"({', '.join(Parameters._fields)}), but it is {values}."
            )
        seed = self.seed + int(np.random.default_rng(rng).integers(self.forests))
        result = self._mass_functions(seed, Parameters(*map(float, values)))
        variance = np.diag(result.log_covariance) if self.forests > 1 else None
        return Simulated(result.log_phi, variance, {"forest": seed})

    def _mass_functions(self, seed: int, parameters: Parameters) -> MassFunctions:
        forest = forest_of(seed, scale=self.scale, mass_floor=self.mass_floor)
        return run(forest, parameters, substeps=self.substeps, scatter=self.scatter).mass_functions

    @cached_property
    def covariance(self) -> Covariance | None:
        """With one fixed forest, the sampling covariance of the outputs (80, 80); else None.

        The mean over 8 forests of each one's sampling covariance at the default parameters. The
        scatter between as few forests has the same expectation, but only 7 degrees of freedom for
        80 outputs.
        """
        if self.forests > 1:
            return None

        def build() -> dict[str, Any]:
            seeds = range(self.seed, self.seed + _COVARIANCE_FORESTS)
            found = [self._mass_functions(seed, Parameters()).log_covariance for seed in seeds]
            return {"covariance": np.mean(found, axis=0)}

        key = {"version": self.version, "forest": FOREST_VERSION, **self.options}
        return Dense(cached("galaxies-covariance", key, build)["covariance"])


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a number, but it is {value!r}.") from error
    if isinstance(value, bool) or not low <= number <= high:
        raise InputError(f"{name} must be between {low:g} and {high:g}, but it is {value!r}.")
    return number


def _whole(name: str, value: Any, low: int, high: int) -> int:
    number = _number(name, value, low, high)
    if number != int(number):
        raise InputError(f"{name} must be a whole number, but it is {value!r}.")
    return int(value)
