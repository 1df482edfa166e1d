"""Gaussian-process emulators for equatorium, on GPyTorch kernels."""

__version__ = "0.1.0"
