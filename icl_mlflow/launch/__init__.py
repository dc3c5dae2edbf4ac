"""Running members: one here, many in parallel processes."""
