"""The parts of an ablation: its comparison, logged, and the commands that repeat it."""
