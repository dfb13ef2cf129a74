"""The permissions (powers) of roles. Used by the permissions of moderation, by joins and by `GET /auth/session`."""

from collections.abc import Mapping

from gateway.protocol.powers import Power
from gateway.security.principal import Role

NONE: frozenset[Power] = frozenset()
# The permissions of hosts in their own rooms.
HOSTING = frozenset({Power.MUTE, Power.SETTINGS, Power.ANNOUNCE, Power.PIN, Power.REVIEW})

POWERS: Mapping[Role, frozenset[Power]] = {  # in every room
    Role.ADMIN: frozenset(Power),
    Role.MODERATOR: HOSTING,
}


def powers(role: Role, *, hosting: bool) -> frozenset[Power]:
    """Return the permissions of a role in a room, as its host or not."""
    return POWERS.get(role, HOSTING if hosting else NONE)


def listed(granted: frozenset[Power]) -> tuple[Power, ...]:
    """Return permissions in the order of their names, as clients get them."""
    return tuple(sorted(granted))
