"""The API libraries by name: all that a terminal has to know of them, and soon read."""

NAMES = ("ib_insync", "ib_async")
"""In the order of preference where both are installed."""
