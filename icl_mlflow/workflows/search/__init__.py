"""The parts of a search for settings: its space, its study, its trials."""
