"""Tables of arms and of figures, in every format."""
