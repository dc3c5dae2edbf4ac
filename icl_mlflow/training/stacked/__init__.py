"""Many models of one shape, trained in lock-step."""
