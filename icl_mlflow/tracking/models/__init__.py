"""Stored models: their format, registration, look-up and download."""
