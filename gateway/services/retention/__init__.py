"""Deletes rows at the end of their retention, and measures the tables."""
