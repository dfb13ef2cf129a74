"""The tables of the main database, from which the gateway serves."""
