"""What travels: spaces, outputs, runs, covariances, data, discrepancies, predictions."""
