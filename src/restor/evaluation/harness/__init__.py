"""The questions as tasks of lm-evaluation-harness, and the same figures from our own engine."""
