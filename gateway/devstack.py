"""A real PostgreSQL and a real Redis-compatible server from Python wheels, for `dorami dev` and the tests."""
