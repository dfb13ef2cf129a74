"""Parses the ids of requests. Used by the services."""

from uuid import UUID

from gateway.errors import NotFound


def uuid_or_missing(text: str, thing: str) -> UUID:
    """Return the id of a thing as UUID. Raises NotFound for a malformed one, which nothing can have."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"There is no such {thing}") from None
