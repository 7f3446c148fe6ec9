"""The catalogue of unlearning algorithms."""
