"""Measurements beside named peers and statistics at full size; `python -m benchmarks` runs all."""
