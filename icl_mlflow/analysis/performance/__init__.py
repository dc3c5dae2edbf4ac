"""Is the model right? Its answers beside exact Bayes."""
