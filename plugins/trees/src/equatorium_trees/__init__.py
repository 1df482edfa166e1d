"""Decision trees and their ensembles for equatorium, with predictive distributions."""

__version__ = "0.1.0"
