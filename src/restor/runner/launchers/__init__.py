"""Where tasks run. One file is one way."""
