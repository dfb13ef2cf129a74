"""Streams with their members and viewers."""
