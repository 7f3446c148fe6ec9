"""Finished work on disk: artifacts, who is making which, the studies that refer to them."""
