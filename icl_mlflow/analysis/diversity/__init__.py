"""Memorise or generalise: models of a finite pool between two Bayes predictors."""
