"""The chat service on doubles: what is published after a batch was stored, and how repetitions are answered."""

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.clocks import now
from gateway.errors import Code, Conflict, GatewayError, Unavailable
from gateway.protocol.payloads.chat import Message, SendMessage, Sent
from gateway.realtime.logged import LogStamp
from gateway.services.chat.chat import Chat
from gateway.services.chat.messages import Messages, Placed, payload_of
from gateway.services.rooms import log as room_log
from tests.doubles import EventLog, Recorder, principal, stand_in

KEY = "demo"


class FakeDatabase:
    """Runs the block of a guard, unless it is unavailable."""

    def __init__(self) -> None:
        self.available = True

    @asynccontextmanager
    async def guard(self, _call: str) -> Any:
        if not self.available:
            raise Unavailable("database")
        yield


class FakeMessages:
    """Stores messages in memory, in the order of their places. Refuses the text "refused"."""

    draft = Messages.draft

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.stored: list[Message] = []

    async def insert(self, drafts: Sequence[Message]) -> list[Placed | GatewayError]:
        self.batches.append([draft.message for draft in drafts])
        await asyncio.sleep(0)
        return [self._insert(draft) for draft in drafts]

    async def sent(self, live_id: str, sender_id: str, client_message_id: str) -> Placed | None:
        wanted = (live_id, sender_id, client_message_id)
        for message in self.stored:
            if (message.live_id, message.user_id, message.client_message_id) == wanted:
                return Placed(message.id, message.seq, message.timestamp, message.message, fresh=False, stamp=None)
        return None

    def _insert(self, draft: Message) -> Placed | GatewayError:
        if draft.message == "refused":
            return GatewayError(Code.MUTED)
        for message in self.stored:
            if draft.client_message_id is not None and message.client_message_id == draft.client_message_id:
                return Placed(message.id, message.seq, message.timestamp, message.message, fresh=False, stamp=None)
        stored = draft.model_copy(update={"seq": len(self.stored) + 1})
        self.stored.append(stored)
        stamp, payload = LogStamp(EventLog.EPOCH, stored.seq, now(), None), payload_of(stored)
        return Placed(stored.id, stored.seq, stored.timestamp, stored.message, True, stamp, payload)


class FakeWords:
    """Blocks the text "blocked"."""

    blocks = True

    def check(self, _live_id: str, text: str) -> str:
        if self.blocks and text == "blocked":
            raise GatewayError(Code.INVALID_MESSAGE)
        return text


class FakeLog:
    """Records the rooms whose logs were trimmed."""

    def __init__(self) -> None:
        self.trimmed: list[int] = []

    async def trim(self, _room: Any, seq: int) -> None:
        self.trimmed.append(seq)


class Service:
    """A chat service on doubles, with one sender."""

    def __init__(self) -> None:
        self.database, self.messages, self.words = FakeDatabase(), FakeMessages(), FakeWords()
        self.log, self.fanout, self.sender = FakeLog(), Recorder(), principal()
        self.chat = Chat(
            stand_in(self.database),
            stand_in(self.log),
            stand_in(self.messages),
            stand_in(None),
            stand_in(None),
            self.words,
            stand_in(self.fanout),
        )

    async def send(self, text: str, client_message_id: str | None = None) -> Sent:
        ask = {"liveId": KEY, "message": text, "clientMessageId": client_message_id}
        return await self.chat.send(self.sender, SendMessage.model_validate(ask))

    def published(self) -> list[tuple[int, str]]:
        return [(payload["data"]["seq"], payload["data"]["message"]) for _, _, payload in self.fanout.events]


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_message_is_published_with_its_place_before_it_is_answered(service: Service) -> None:
    sent = await service.send("hello")
    assert (sent.seq, sent.message, sent.duplicate) == (1, "hello", False)
    assert service.published() == [(1, "hello")]


async def test_concurrent_messages_are_one_batch_and_published_in_order(service: Service) -> None:
    await asyncio.gather(*(service.send(f"{number}") for number in range(5)))
    assert service.messages.batches == [["0", "1", "2", "3", "4"]]
    assert service.published() == [(number + 1, f"{number}") for number in range(5)]


async def test_a_repeated_message_is_answered_but_not_published(service: Service) -> None:
    first, again = await service.send("hello", "a"), await service.send("hello", "a")
    assert again == first.model_copy(update={"duplicate": True})
    assert service.published() == [(1, "hello")]
    with pytest.raises(Conflict):
        await service.send("another text", "a")


async def test_a_refused_message_does_not_affect_its_batch(service: Service) -> None:
    results = await asyncio.gather(*(service.send(text) for text in ("a", "refused", "b")), return_exceptions=True)
    assert [result.code if isinstance(result, GatewayError) else None for result in results] == [None, Code.MUTED, None]
    assert service.published() == [(1, "a"), (2, "b")]


async def test_a_blocked_word_refuses_new_messages_but_not_repetitions(service: Service) -> None:
    with pytest.raises(GatewayError) as refusal:
        await service.send("blocked", "a")
    assert (refusal.value.code, service.messages.batches) == (Code.INVALID_MESSAGE, [])
    service.words.blocks = False
    await service.send("blocked", "a")
    service.words.blocks = True
    assert (await service.send("blocked", "a")).duplicate


async def test_a_failed_publication_does_not_fail_the_stored_message(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(service.fanout, "publish", fail)
    assert (await service.send("hello")).seq == 1


async def test_without_the_database_messages_are_refused(service: Service) -> None:
    service.database.available = False
    with pytest.raises(Unavailable):
        await service.send("hello")
    assert service.published() == []


async def test_the_log_is_trimmed_at_intervals(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_log, "TRIM", 3)
    for number in range(7):
        await service.send(f"{number}")
    assert service.log.trimmed == [3, 6]


async def test_close_waits_for_accepted_messages_and_refuses_further_ones(service: Service) -> None:
    pending = asyncio.create_task(service.send("hello"))
    await asyncio.sleep(0)
    await service.chat.close()
    assert (await pending).seq == 1
    with pytest.raises(Unavailable):
        await service.send("too late")
