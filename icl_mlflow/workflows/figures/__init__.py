"""The figures of finished runs, drawn again from what the runs left behind."""
