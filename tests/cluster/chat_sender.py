"""Who talks in a room of the ledger, and remembers what was answered."""

import asyncio
import random
import time

from tests.cluster.members import PAUSE
from tests.cluster.wire_member import WireMember


class Sent:
    """A message as its sender knows it."""

    def __init__(self, room: str, name: str, begun: float) -> None:
        self.room = room
        self.name = name  # the client message id
        self.begun = begun  # when it was sent first
        self.acked = 0.0
        self.seq = 0
        self.id = ""
        self.tries = 0
        self.slowest = 0.0  # s that an answer took
        self.troubles: list[str] = []


class ChatSender:
    """Talks through a member until stopped; each message is sent with the same id until it is acked."""

    def __init__(self, member: WireMember, name: str, pause: float, length: int) -> None:
        self.member = member
        self._name = name
        self._pause = pause
        self._length = length
        self.sent: list[Sent] = []
        self._stopping = False

    async def run(self) -> None:
        """Talk, until `stop`; what was begun is sent to its end."""
        while not self._stopping:
            await self._say(f"{self._name}-{len(self.sent) + 1}")
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))

    def stop(self) -> None:
        """Begin no other message."""
        self._stopping = True

    async def _say(self, name: str) -> None:
        sent = Sent(self.member.key, name, time.monotonic())
        self.sent.append(sent)
        while True:
            await self.member.ready.wait()
            sent.tries += 1
            begun = time.monotonic()
            try:
                ack = await self.member.say(text(name, self._length), name)
            except (ConnectionError, TimeoutError) as error:
                sent.troubles.append(type(error).__name__)
            else:
                sent.slowest = max(sent.slowest, time.monotonic() - begun)
                if ack["ok"]:
                    sent.acked = time.monotonic()
                    sent.seq, sent.id = ack["data"]["seq"], ack["data"]["id"]
                    return
                sent.troubles.append(ack["error"]["code"])
                if not ack["error"]["retryable"]:
                    self.member.wrongs.append(f"{name}: {ack['error']}")
                    return
            await asyncio.sleep(random.uniform(0.05, PAUSE))


def text(name: str, length: int) -> str:
    """Return the text of a message, of at least `length` characters, most of three bytes."""
    return f"message {name} ".ljust(length, "라")
