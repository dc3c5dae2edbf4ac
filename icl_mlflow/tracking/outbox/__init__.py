"""From a run's journal on disk to the store: each record in order, once."""
