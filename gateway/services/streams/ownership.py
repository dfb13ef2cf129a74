"""Locks a stream for a change by its host. Called by the services that change streams, within a transaction."""

from gateway.errors import Forbidden, NotFound
from gateway.security.principal import Principal, Role
from models.main.stream import Stream


async def lock_stream(principal: Principal | None, key: str) -> Stream:
    """Lock a stream until the transaction ends and return it.

    Raises NotFound, and Forbidden unless the principal is its host, an ADMIN, or None, which is the gateway itself.
    """
    stream = await Stream.filter(key=key).select_for_update(no_key=True).first()
    if stream is None:
        raise NotFound("There is no such stream")
    if principal is not None and principal.role is not Role.ADMIN and not principal.hosts(stream.host_id):
        raise Forbidden("This is another host's stream")
    return stream
