"""The plan of a command, its effects on a database, and the consent to it."""
