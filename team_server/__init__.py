"""A team's tracking server on this machine: what docs/server.md sets up, started.

PostgreSQL, artifacts through the server, a password each, and TLS under an authority of
its own. `make server` starts it, and so do the tests.
"""
