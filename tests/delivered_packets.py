"""The sockets of a node as far as fan-out is concerned: what was delivered. Used by the tests of fan-out."""

import asyncio
from collections.abc import Callable

from gateway.keys import Room
from gateway.realtime.packets import with_offset
from tests.timing import time_limit


class DeliveredPackets:
    """Keeps what is delivered on a node, in order."""

    def __init__(self) -> None:
        self.packets: list[tuple[Room, bytes]] = []
        self._changed = asyncio.Event()

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """Keep what a member that takes offsets is sent."""
        self.packets.append((room, packet if offset is None else with_offset(packet, offset)))
        self._changed.set()

    def of(self, room: Room) -> list[bytes]:
        return [packet for there, packet in self.packets if there == room]

    async def until(self, holds: Callable[["DeliveredPackets"], bool], *, seconds: float = 5.0) -> None:
        """Wait for deliveries that make it hold."""
        async with time_limit(seconds):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()
