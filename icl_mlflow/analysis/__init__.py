"""Analyses: one question a file, each measured, summarised and drawn."""
