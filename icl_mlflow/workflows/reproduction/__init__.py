"""The parts of a reproduction: what is planned, what stands, and what is missing."""
