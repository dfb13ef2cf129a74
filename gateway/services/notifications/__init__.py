"""Notifications to single users."""
