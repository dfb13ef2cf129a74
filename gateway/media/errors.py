"""What goes wrong with media, in words for whoever waits. Raised in media, told by the job runner."""


class MediaError(Exception):
    """It will not work, however often it is tried. The text is for the user: it names no path and no program."""
