"""In-context learning of statistical tests, tracked by MLflow."""
