"""The contracts that every method keeps: one file for each role."""
