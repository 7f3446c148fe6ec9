"""What each stage does: one module per stage, all with the same `build`."""
