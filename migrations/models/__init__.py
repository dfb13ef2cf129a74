"""The migrations of the main database, in the order of their numbers. Applied by gateway/postgres/migrations.py."""
