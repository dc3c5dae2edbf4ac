"""Analyses of mechanism, which look inside: what the model computes, and where."""
