"""Emulation and Bayesian inference in astronomy: one frame, interchangeable plates.

The public names load on first use, so that ``import equatorium`` stays light.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "equatorium.plugin": ("Method", "hookimpl"),
    "equatorium.records.space": ("Parameter", "Space"),
    "equatorium.records.outputs": ("Outputs",),
    "equatorium.records.runs": ("Runs",),
    "equatorium.records.covariance": ("Covariance", "Diagonal", "LowRank", "Dense"),
    "equatorium.records.observation": ("Observation",),
    "equatorium.records.discrepancy": ("Discrepancy",),
    "equatorium.records.prediction": (
        "Prediction",
        "Gaussian",
        "Mixture",
        "Weighted",
        "Categorical",
    ),
    "equatorium.registry": (
        "emulator",
        "classifier",
        "embedder",
        "ensemble",
        "network",
        "simulator",
        "sampler",
        "methods",
        "register",
    ),
    "equatorium.storage": ("load", "save"),
    "equatorium.interfaces.model": ("Model", "state_array"),
    "equatorium.threads": ("one_thread",),
    "equatorium.interfaces.emulator": ("Emulator",),
    "equatorium.interfaces.classifier": ("Classifier",),
    "equatorium.interfaces.embedder": ("Embedder",),
    "equatorium.interfaces.ensemble": ("Ensemble",),
    "equatorium.interfaces.network": ("Network",),
    "equatorium.interfaces.sampler": ("Sampler",),
    "equatorium.interfaces.simulator": ("Simulator", "Simulated"),
    "equatorium.interfaces.wrapped": ("wrap",),
    "equatorium.simulate.execute": ("run_design",),
    "equatorium.emulate.surrogate": ("Surrogate",),
    "equatorium.emulate.compose": ("Embedded",),
    "equatorium.emulate.committee": ("Committee",),
    "equatorium.emulate.conformal": ("Conformal",),
    "equatorium.emulate.split_conformal": ("SplitConformal",),
    "equatorium.emulate.noisy_inputs": ("NoisyInputs",),
    "equatorium.emulate.nondetections": ("with_limits",),
    "equatorium.emulate.representativeness": ("Shift", "covariate_shift"),
    "equatorium.emulate.densities": (
        "binned_density",
        "stacked_density",
        "cde_loss",
        "to_qp",
    ),
    "equatorium.emulate.tradeoff": (
        "BiasVariance",
        "bias_variance",
        "ErrorLaw",
        "error_law",
    ),
    "equatorium.emulate.report": ("Report",),
    "equatorium.emulate.validate": ("holdout_report", "cross_validation_report"),
    "equatorium.embed.quality": (
        "trustworthiness",
        "continuity",
        "neighbourhood_hit",
        "intrinsic_dimension",
        "hidden_chi2",
    ),
    "equatorium.embed.comparison": ("EmbedderComparison", "EmbedderScore", "compare_embedders"),
    "equatorium.embed.selection": ("Ranking", "rank_like", "rank_unusual"),
    "equatorium.emulate.scores": ("score",),
    "equatorium.emulate.cross_validation": ("compare",),
    "equatorium.emulate.comparison": ("Comparison",),
    "equatorium.emulate.learning": ("LearningCurve", "learning_curve"),
    "equatorium.history.implausibility": ("Implausibility",),
    "equatorium.history.region": ("Region", "Wave"),
    "equatorium.spectra.wavelength": ("log_wavelengths",),
    "equatorium.spectra.spectra": ("Spectra",),
    "equatorium.spectra.photometry": ("Photometry",),
    "equatorium.spectra.operator": ("Operator",),
    "equatorium.spectra.kernels": ("RadialVelocity", "Rotation", "LineSpread"),
    "equatorium.spectra.multiplying": ("Extinction", "FreeContinuum"),
    "equatorium.spectra.spectral_model": ("SpectralModel",),
    "equatorium.spectra.compression": ("compressed",),
    "equatorium.inference.model_function": ("ModelFunction",),
    "equatorium.inference.likelihood_base": ("Likelihood",),
    "equatorium.inference.likelihood": ("GaussianLikelihood",),
    "equatorium.inference.student": ("StudentLikelihood",),
    "equatorium.inference.counts": ("PoissonLikelihood", "BinomialLikelihood"),
    "equatorium.inference.joint": ("JointLikelihood",),
    "equatorium.inference.posterior": ("Posterior", "View"),
    "equatorium.inference.backend": ("Chains",),
    "equatorium.inference.chain_sampler": ("ChainSampler", "Layout", "check_counts"),
    "equatorium.inference.run_sampler": ("RunSampler", "WeightedRun"),
    "equatorium.inference.particle_prior": ("ParticlePrior",),
    "equatorium.inference.draws": ("Draws",),
    "equatorium.inference.predictive": ("posterior_predictive", "prior_predictive"),
    "equatorium.inference.goodness": ("goodness_of_fit",),
    "equatorium.inference.pointwise": ("pointwise_log_likelihood",),
    "equatorium.inference.loo": ("leave_one_out",),
    "equatorium.inference.information": ("waic",),
    "equatorium.inference.true_runs": ("reweighted_by_runs",),
    "equatorium.inference.budget": ("error_budget",),
    "equatorium.inference.robustness": ("discrepancy_sensitivity",),
    "equatorium.inference.calibrated": ("Calibration",),
    "equatorium.inference.sbc": ("simulation_based_calibration",),
    "equatorium.inference.annealing": ("annealed_starts",),
    "equatorium.inference.regressions.curve": ("Curve",),
    "equatorium.inference.regressions.measured": ("error_covariance",),
    "equatorium.inference.regressions.outliers": ("OutlierMixture",),
    "equatorium.inference.regressions.hyperplane": ("Hyperplane",),
    "equatorium.inference.regressions.linmix": ("LinMix",),
    "equatorium.inference.regressions.correlated": ("CorrelatedNoise",),
    "equatorium.citation": ("cite",),
    "equatorium.study.study": ("Study",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("checks", "errors", "plots")

__all__ = ["__version__", *_HOME, *_ROOMS]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562)."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"equatorium.{name}")
    else:
        raise AttributeError(f"module 'equatorium' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
