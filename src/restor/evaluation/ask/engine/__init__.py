"""Asks models: what many requests begin with is computed once, options in one pass, answers side by side."""
