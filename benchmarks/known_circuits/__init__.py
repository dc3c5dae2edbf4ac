"""Every method of looking into a model, scored on models whose circuit is known."""
