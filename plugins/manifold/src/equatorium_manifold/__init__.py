"""Embedders: maps from many columns to few, with errors, gaps, new rows and ways back."""

__version__ = "0.1.0"
