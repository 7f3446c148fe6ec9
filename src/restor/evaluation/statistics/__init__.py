"""Statistics of paired answers to the same facts: intervals, tests, equivalence, and how many facts would be needed.

Pure functions on arrays. Facts about one entity stand or fall together, so the entity is the unit; seeds are a second
level above it. An undefined figure is None with a reason.
"""
