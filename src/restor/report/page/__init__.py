"""The page of a study: one self-contained HTML file."""
