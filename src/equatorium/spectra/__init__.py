"""Spectra and photometry: observed ones as rows, emulated ones carried to the detector."""
