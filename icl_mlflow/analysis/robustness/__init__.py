"""Analyses of robustness: how far the model carries from what it was trained on."""
