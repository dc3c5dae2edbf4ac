"""The tracking store: where it is, whether it can be used, what its failures mean."""
