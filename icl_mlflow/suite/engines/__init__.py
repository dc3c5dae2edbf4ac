"""By what members are trained: processes, stacks or Ray; chosen, estimated, run."""
