"""The tables of the main database: whatever the gateway serves from."""
