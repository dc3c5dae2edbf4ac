"""The report of an analysis: its page, its figures and its sentences."""
