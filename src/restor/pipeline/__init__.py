"""Stages, the store they are kept in, and the runner: the only part that knows the order of things."""
