"""Asks models: what is asked, how, and what comes back."""
