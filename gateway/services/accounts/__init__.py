"""Accounts, logins and guests."""
