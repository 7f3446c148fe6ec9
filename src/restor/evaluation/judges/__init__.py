"""The catalogue of judges."""
