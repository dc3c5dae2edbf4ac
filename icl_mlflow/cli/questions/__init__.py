"""Commands that ask models and whatever else predicts."""
