"""Does the paper come out again? Its numbers, ours beside them, and a verdict each."""
