"""Training: settings, one model's training, and what it leaves behind."""
