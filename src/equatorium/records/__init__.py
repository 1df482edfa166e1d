"""What travels between rooms: spaces, outputs, runs, covariances, data, discrepancies, predictions."""
