"""Backups of the databases and of what must not be lost of Redis, and their restore. Called by `dorami backup`."""
