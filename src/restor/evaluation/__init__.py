"""Evaluation: a model in, judged answers and figures out."""
