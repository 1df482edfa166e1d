"""Runs that exist already and one observed vector: emulator, validation, posterior."""

from pathlib import Path

import equatorium as eq

HERE = Path(__file__).parent
seen = eq.Observation.read(HERE / "observed.ecsv")
bins = eq.Outputs(seen.names, seen.coords, units=seen.units, unit=seen.unit, label=seen.label)
inputs = ["alpha_hot", "beta0_disc", "alpha_reheat", "alpha_cool", "nu0_sf", "p_yield"]
runs = eq.Runs.read(HERE / "runs.csv", inputs, bins)
error = eq.Discrepancy(0.1, length={"log_mstar": 0.5}, shift={"log_mstar": 0.05})
study = eq.Study(runs, seen, discrepancy=error, store="results/my_table/study.h5")
print(study.emulate().report.summary())
study.sample("emcee", until={"rhat": 1.02, "ess": 200})
print(study.summary())
study.write_report("results/my_table")
