"""Models that were not trained here: published ones, and those made by hand."""
