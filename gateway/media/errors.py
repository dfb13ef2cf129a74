"""Errors of media work, with texts for users. Raised in media, reported by the job runner."""


class MediaError(Exception):
    """A permanent failure: another attempt would fail as well. Its text is for users and names no path or program."""
