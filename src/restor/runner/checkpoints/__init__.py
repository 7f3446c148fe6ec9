"""Verbs on checkpoints that were made elsewhere: corrupt, unlearn and recover."""
