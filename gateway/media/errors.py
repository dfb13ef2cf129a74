"""Errors of media work, with texts for users. Raised in media, reported by the job runner."""


class MediaError(Exception):
    """A permanent failure, which another attempt would repeat. Its text is for users and has no path or program."""
