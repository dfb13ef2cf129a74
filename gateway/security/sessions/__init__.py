"""The sessions of users and guests with their refresh tokens and devices, in Redis and PostgreSQL.

Each `.lua` file here is a script; those in `includes/` are parts of scripts.
"""
