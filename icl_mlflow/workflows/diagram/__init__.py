"""The diagram of memorising and generalising: what is trained, measured and logged."""
