"""Local, basis-function and robust regression, and simple classifiers, for equatorium."""

__version__ = "0.1.0"
