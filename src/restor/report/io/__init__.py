"""Stored results, read and checked."""
