"""Tokenizers, checkpoints and forward passes."""
