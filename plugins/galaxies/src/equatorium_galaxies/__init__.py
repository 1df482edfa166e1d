"""The 20-parameter galaxy-formation model and the observed stellar mass functions."""

__version__ = "0.1.0"
