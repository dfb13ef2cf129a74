"""PostgreSQL: connections, transactions, errors and migrations."""
