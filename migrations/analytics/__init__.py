"""The migrations of the analytics database, in the order of their numbers. Applied by gateway/postgres/migrations.py."""
