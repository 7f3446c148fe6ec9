"""Studies, comparisons and checkpoints: which tasks they need, and who makes these."""
