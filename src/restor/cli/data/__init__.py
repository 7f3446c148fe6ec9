"""`restor data`: one file per verb."""
