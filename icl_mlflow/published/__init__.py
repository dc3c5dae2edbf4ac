"""What was published with arXiv 2603.10573: checkpoints, histories, experiments."""
