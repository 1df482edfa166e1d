"""Inference: likelihood, posterior, samplers, the evidence of convergence, calibration, draws."""
