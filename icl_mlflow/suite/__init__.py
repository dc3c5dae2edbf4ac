"""Many members of one description, trained in processes, as stacks or on Ray."""
