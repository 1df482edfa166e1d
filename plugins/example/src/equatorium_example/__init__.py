"""The plugin that the tutorial builds: radial basis functions."""

__version__ = "0.1.0"
