"""Whom heads attend to: by their weights, and on episodes."""
