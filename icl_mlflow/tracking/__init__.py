"""Everything kept in MLflow, and the only place that imports it.

store.py finds and checks the tracking store, run.py writes a run, registration.py
stores its model, models.py finds and loads one. package.py is the format of a stored
model: weights and JSON, never code.
"""
