"""What study.toml says, as a script: three waves of history matching, then the posterior."""

import equatorium as eq

simulator = eq.simulator("galaxy-formation", scale=0.2)
observation = simulator.observed("stellar-mass-functions").select(log_mstar=(8.9, 11.3))
study = eq.Study(
    simulator,
    observation,
    emulator=eq.emulator("trend-gp"),
    discrepancy=eq.Discrepancy(0.1, length={"log_mstar": 0.5}, shift={"log_mstar": 0.05}),
    store="results/galaxy_formation/study.h5",
    seed=1,
)
study.history_match(
    [
        {"runs": 400, "rule": "second"},
        {"runs": 300, "rule": "maximum"},
        {"runs": 300, "held_out": 80, "rule": "maximum"},
    ]
)
draws = study.sample("emcee", walkers=48, until={"rhat": 1.01, "ess": 400})
for name in ("goodness-of-fit", "error-budget", "discrepancy"):
    study.check(name)
print(study.summary())
study.write_report("results/galaxy_formation")
