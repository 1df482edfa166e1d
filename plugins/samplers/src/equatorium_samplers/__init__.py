"""Samplers for equatorium: Hamiltonian Monte Carlo, and adapters of dynesty and pocoMC."""

__version__ = "0.1.0"
