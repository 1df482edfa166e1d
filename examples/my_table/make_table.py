"""Makes runs.csv and observed.ecsv: 160 runs of the galaxy-formation model in six parameters."""

from dataclasses import replace
from pathlib import Path

import numpy as np

import equatorium as eq
from equatorium.simulate.design import maximin_latin_hypercube
from equatorium_galaxies.observations import stellar_mass_functions

HERE = Path(__file__).parent
FREE = ("alpha_hot", "beta0_disc", "alpha_reheat", "alpha_cool", "nu0_sf", "p_yield")

if __name__ == "__main__":
    simulator = eq.simulator("galaxy-formation")
    defaults = dict(zip(simulator.space.names, simulator.space.defaults, strict=True))
    space = simulator.space.fix(**{k: float(v) for k, v in defaults.items() if k not in FREE})
    runs = eq.run_design(simulator, space, maximin_latin_hypercube(space, 160, 2), seed=2)

    observation = stellar_mass_functions().select(z=0.0)
    used = np.flatnonzero(observation.match(simulator.outputs).any(axis=0))
    names = [f"phi_{m:.1f}" for m in observation.coords["log_mstar"]]
    table = runs.with_outputs(used).to_table()
    plain = table[list(space.names)].copy(copy_data=True)
    for new, old in zip(names, runs.with_outputs(used).outputs.names, strict=True):
        plain[new] = table[old]
    for new, old in zip(names, runs.with_outputs(used).outputs.names, strict=True):
        plain[new + "_variance"] = table[old + "_variance"]
    plain.meta.clear()
    for column in plain.colnames:
        plain[column].info.format = ".5g"
    plain.write(HERE / "runs.csv", overwrite=True)
    replace(observation, names=names).write(HERE / "observed.ecsv")
