"""The parts of an analysis run: what is planned, measured and logged."""
