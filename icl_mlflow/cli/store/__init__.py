"""Commands that look into the tracking store, or tidy it; on the console alone."""
