"""Analyses of performance: the model's answers beside exact Bayes."""
