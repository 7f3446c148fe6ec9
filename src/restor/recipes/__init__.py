"""Recipes: whole studies by name."""
