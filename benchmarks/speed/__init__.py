"""How fast a step, a suite, an evaluation, a command and their like are."""
