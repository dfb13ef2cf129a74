"""Doubles and people for the tests of services: a fan-out that remembers, principals of every role. Called by tests."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.security.principal import Principal, Role


class Heard:
    """A fan-out that remembers what was published, in its order."""

    def __init__(self) -> None:
        self.events: list[tuple[Room, str, Any]] = []
        self.delay = 0.0  # s that publishing takes at most

    async def publish(self, room: Room, event: str, payload: Payload) -> None:
        """See Fanout."""
        await asyncio.sleep(random.uniform(0, self.delay))
        self.events.append((room, event, payload.model_dump(mode="json")))

    def named(self, *events: str) -> list[Any]:
        """The payloads of these events."""
        return [payload for _, event, payload in self.events if event in events]


def principal(role: Role = Role.USER, user_id: str | None = None) -> Principal:
    """Somebody of a role; whether they are in the database is another matter."""
    moment = datetime.now(UTC)
    return Principal(
        user_id=user_id or str(uuid4()),
        username="somebody",
        role=role,
        session_id="session",
        token_id="token",
        issued_at=moment,
        expires_at=moment + timedelta(minutes=15),
    )
