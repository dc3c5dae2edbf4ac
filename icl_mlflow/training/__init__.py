"""Training one model: settings, the loop, and what it leaves behind."""
