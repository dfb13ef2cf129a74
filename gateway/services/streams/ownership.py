"""Locks streams, and lets only their hosts change them. Called by the services that change streams or products."""

from gateway.errors import Forbidden, UnknownStream
from gateway.security.principal import Principal, Role
from models.main.stream import Stream


async def lock_stream(principal: Principal | None, key: str) -> Stream:
    """Lock a stream until the transaction ends and return it. Raises NotFound, and as `require_host`."""
    stream = await Stream.filter(key=key).select_for_update(no_key=True).first()
    if stream is None:
        raise UnknownStream
    require_host(principal, stream)
    return stream


def require_host(principal: Principal | None, stream: Stream) -> None:
    """Raise Forbidden unless the principal is an ADMIN, the stream's host, or None, which is the gateway itself."""
    if principal is not None and principal.role is not Role.ADMIN and not principal.hosts(stream.host_id):
        raise Forbidden("This is another host's stream")
