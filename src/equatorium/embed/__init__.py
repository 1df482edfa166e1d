"""Judging embeddings, and using them to find rows: the unusual, and those like a few examples."""
