"""History matching: rule out, in waves, what cannot have produced the data."""
