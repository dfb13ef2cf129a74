"""The errors of a join or a message that is refused. Used by chat and moderation."""

from datetime import datetime
from math import ceil

from gateway.clocks import iso, now
from gateway.errors import CATALOGUE, Code, Forbidden, GatewayError
from gateway.protocol.payloads.moderation import FOREVER
from gateway.protocol.payloads.moderation import until as end_of

GUESTS = "Guests may not write in this room"


def standing_error(code: Code, *, until: datetime | None = None, wait_ms: int | None = None) -> GatewayError:
    """Return the error for BANNED, MUTED, ROOM_FROZEN, SLOW_MODE, or FORBIDDEN for a guest.

    `until`: the end of a ban or a mute, None for never. `wait_ms`: the time until slow mode allows the next message.
    """
    if code in (Code.BANNED, Code.MUTED):
        ends_at, text = end_of(until), CATALOGUE[code].message
        moment = iso(ends_at)
        text = text if ends_at == FOREVER else f"{text} until {moment}"
        wait = None if ends_at == FOREVER else max(0, ceil((ends_at - now()).total_seconds() * 1000))
        return GatewayError(code, text, details={"until": moment}, retry_after_ms=wait if code is Code.MUTED else None)
    if code is Code.SLOW_MODE:
        return GatewayError(code, retry_after_ms=wait_ms)
    return Forbidden(GUESTS) if code is Code.FORBIDDEN else GatewayError(code)
