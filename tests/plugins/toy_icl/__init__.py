"""A package of somebody else: a task, a variant, an estimator and an analysis."""
