"""Checks whether a user hosts a stream. Used by the services that let hosts read data of their own streams."""

from collections.abc import Sequence
from uuid import UUID

from gateway.errors import Forbidden, UnknownStream
from gateway.postgres.database import Database
from gateway.security.principal import MODERATORS, STAFF, Principal

HOSTS = "SELECT FROM streams WHERE host_id = $1 AND ($2::text IS NULL OR key = $2) LIMIT 1"
OWN = "SELECT key FROM streams WHERE host_id = $1 AND key = ANY ($2)"
STREAM = "SELECT FROM streams WHERE key = $1"


async def scope_of(database: Database, principal: Principal, stream_key: str | None = None) -> UUID | None:
    """Return the host to whose streams a reader is limited; None for administrators and moderators, who read all.

    Call it within `database.guard`. Raises Forbidden for a user who hosts no stream, or not this one.
    """
    if principal.role in MODERATORS:
        return None
    # A user who is no longer HOST reads nothing of their earlier streams.
    host = UUID(principal.user_id) if principal.authenticated and principal.role in STAFF else None
    if host is None or not await database.query(HOSTS, host, stream_key):
        raise Forbidden
    return host


async def require_staff(database: Database, principal: Principal, stream_key: str) -> None:
    """Check that a user is staff of a stream. Call it within `database.guard`.

    Raises Forbidden, or NotFound for an unknown stream.
    """
    if await scope_of(database, principal, stream_key) is None and not await database.query(STREAM, stream_key):
        raise UnknownStream


async def own_among(database: Database, host: UUID, keys: Sequence[str]) -> list[str]:
    """Return those of the streams that a host owns. Call it within `database.guard`."""
    return [row["key"] for row in await database.query(OWN, host, keys)] if keys else []
