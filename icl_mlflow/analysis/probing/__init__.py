"""Analyses that fit something of their own to the streams of a model."""
