"""Corruption: a clean model in, a corrupted one out."""
