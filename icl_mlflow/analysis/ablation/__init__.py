"""The ablation study: what each variant costs, and what may be concluded from it."""
