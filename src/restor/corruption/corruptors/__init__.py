"""The catalogue of corruptors, which write forget documents."""
