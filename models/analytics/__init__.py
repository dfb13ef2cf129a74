"""The tables of the analytics database: numbers of events. No foreign key refers to the main database."""
