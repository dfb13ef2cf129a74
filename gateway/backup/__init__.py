"""Backups of the databases, and of the sessions, devices and revocations in Redis. Called by `dorami backup`."""
