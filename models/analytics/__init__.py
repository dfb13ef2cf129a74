"""The tables of the analytics database: what happened, in numbers. No key of it refers to the main database."""
