"""Moderation of chat rooms: sanctions, deletions, pins, reports, settings and word lists."""
