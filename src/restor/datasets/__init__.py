"""The catalogue of data sets: what is read beside the facts."""
