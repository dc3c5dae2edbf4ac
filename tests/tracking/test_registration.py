"""Versions say what they are, and the best by validation has the alias."""
