"""The ids of guests, and what is derived from them: name and time of creation. Guests have no other record."""

import secrets
from datetime import UTC, datetime

from gateway.clocks import postgres_clock

PREFIX = "guest_"  # ids of accounts are UUIDs, so they never begin with it


def new_id() -> str:
    """Return a new id: `guest_`, the present second and 64 random bits, both in hexadecimal."""
    return f"{PREFIX}{int(postgres_clock.time()):08x}{secrets.token_hex(8)}"


def is_guest(user_id: str) -> bool:
    """Return whether an id, or a refresh token, which begins with an id, belongs to a guest."""
    return user_id.startswith(PREFIX)


def name_of(guest_id: str) -> str:
    """Return the display name of a guest."""
    return f"Guest {guest_id[-4:]}"


def made_at(guest_id: str) -> datetime:
    """Return when an id was made; 1970 for one that `new_id` did not make."""
    try:
        seconds = int(guest_id.removeprefix(PREFIX)[:8], 16)
    except ValueError:
        seconds = 0
    return datetime.fromtimestamp(seconds, UTC)
