"""Neural networks: built from a line of text, trained several at once, honest about errors."""

__version__ = "0.1.0"
