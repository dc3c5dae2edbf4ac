"""What does the model compute, and where? Questions that look inside."""
