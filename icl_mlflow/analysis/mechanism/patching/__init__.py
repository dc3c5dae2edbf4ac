"""What parts of a model say on one episode, put into its run of another."""
