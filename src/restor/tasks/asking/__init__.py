"""Asking models: batches, the processes that share them, and the rows that are stored."""
