"""Static figures for papers, made with matplotlib from stored results only."""
