"""What a guest is called. Guests have no account: their id says all there is to say. Used wherever guests are met."""

import secrets
from datetime import UTC, datetime

from gateway.clocks import postgres_clock

PREFIX = "guest_"  # ids of accounts are UUIDs, so the two never meet


def new_id() -> str:
    """An id for somebody who was not here before: `guest_`, the second of its making and 64 random bits, in hex."""
    return f"{PREFIX}{int(postgres_clock.time()):08x}{secrets.token_hex(8)}"


def is_guest(user_id: str) -> bool:
    """Whether an id, or what begins with one such as a refresh token, is a guest's."""
    return user_id.startswith(PREFIX)


def name_of(guest_id: str) -> str:
    """The name that a guest goes by."""
    return f"Guest {guest_id[-4:]}"


def made_at(guest_id: str) -> datetime:
    """When a guest was first here; the beginning of time for an id that was not made by `new_id`."""
    try:
        seconds = int(guest_id.removeprefix(PREFIX)[:8], 16)
    except ValueError:
        seconds = 0
    return datetime.fromtimestamp(seconds, UTC)
