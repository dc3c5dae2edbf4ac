"""Excess risk against episodes and seconds, recipe by recipe."""
