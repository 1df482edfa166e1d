"""From a space to runs: designs, the crash-safe ledger of runs, running a design anywhere.

Kept free of imports: worker processes import this package before their BLAS settings are made.
"""
