"""Patching: what parts of a model say on one episode, put into another."""
