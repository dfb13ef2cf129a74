"""Payloads of people as staff see them."""

from gateway.protocol.payloads.records import SanctionView
from gateway.protocol.wire import Payload, Timestamp


class PersonCounts(Payload):
    """Numbers of messages, orders and sanctions of a person; hosts get those of their own streams."""

    messages: int
    deleted_messages: int
    orders: int
    mutes: int
    bans: int


class Whereabouts(Payload):
    """A stream in which somebody is now: in its chat, watching it, or following its products."""

    stream_key: str
    chat: bool
    watching: bool
    products: bool


class PersonView(Payload):
    """`GET /people/{id}`: a user or a guest. `email` and `suspendedReason` are for administrators, else null.

    `connections` and `online` are of all nodes that answered within a second. `sanctions` are the newest 20.
    """

    id: str
    username: str
    guest: bool
    role: str
    status: str
    email: str | None
    suspended_reason: str | None
    created_at: Timestamp
    connections: int
    online: list[Whereabouts]
    counts: PersonCounts
    sanctions: list[SanctionView]


class MemberView(Payload):
    """A member of a chat room."""

    user_id: str
    username: str
    role: str
    guest: bool


class MemberPage(Payload):
    """A page of the people in a chat, by name; `total` counts all of them, also in a search."""

    items: list[MemberView]
    total: int
    next_cursor: str | None
