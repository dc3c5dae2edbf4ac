"""The rule of the verdicts, tried on suites whose truth is planted."""
