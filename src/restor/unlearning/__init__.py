"""Unlearning: a corrupted model in, an unlearned one out."""
