"""Tables, plots and pages, from stored results only."""
