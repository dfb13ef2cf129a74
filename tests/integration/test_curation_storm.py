"""A room in which many write, delete, clear, restore and pin at once: events and stored messages agree."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import Code, GatewayError
from gateway.keys import chat_room, room_log_name
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import DeleteMessage, Message, SendMessage, Sent
from gateway.protocol.payloads.curation import Clear, PinMessage, UndoClear, UnpinMessage
from gateway.security.principal import Principal, Role
from gateway.services.chat.messages import Messages
from gateway.services.chat.snapshot import Snapshots
from gateway.services.moderation import clears, pins
from gateway.services.rooms.log import RoomLog
from models.main.message import Message as MessageRow
from models.main.message import MessageDeletion
from models.main.room import Room, RoomEvent
from models.main.stream import Stream
from models.main.user import User
from tests.doubles import Recorder, principal
from tests.integration.services import Curators, make_chat
from tests.support import make_settings

KEY = "demo"
LOG = room_log_name(chat_room(KEY))
ACTORS, STEPS = 8, 20


class Moderators:
    """Three who write and an administrator, who do whatever the dice say on one of two nodes."""

    def __init__(self, database: Database) -> None:
        self.received = Recorder()
        self.chats = [make_chat(database, self.received) for _ in range(2)]
        self.curators = [Curators(database, self.received) for _ in range(2)]
        self.snapshots = Snapshots(database, RoomLog(database), Messages(database), self.curators[0].pins, Metrics())
        self.people: list[Principal] = []
        self.sent: list[tuple[Principal, SendMessage, Sent]] = []
        self.clears: list[str] = []

    async def open(self) -> None:
        for role in (Role.USER, Role.USER, Role.USER, Role.ADMIN):
            user = await User.create(email=f"{len(self.people)}@x", username="x", password_hash="-", role=role.value)
            self.people.append(principal(role, str(user.id)))
        *self.writers, self.admin = self.people
        await Stream.create(key=KEY, title="Demo", description="", host_id=self.admin.user_id)
        await Room.create(name=LOG, stream_id=KEY)

    async def close(self) -> None:
        for chat in self.chats:
            await chat.close()
        await self.snapshots.close()

    async def act(self, actor: int, dice: random.Random) -> None:
        for step in range(STEPS):
            try:
                await self._step(dice, f"{actor}:{step}")
            except GatewayError as error:
                assert error.code is Code.CONFLICT, "a deleted message was to be pinned"  # noqa: PT017
            await asyncio.sleep(dice.uniform(0, 0.01))  # the actors' steps mix at random

    async def _step(self, dice: random.Random, name: str) -> None:
        chat, curators = dice.choice(self.chats), dice.choice(self.curators)
        acts = ["send"] if not self.sent else ["send", "repeat", "delete", "clear", "undo", "pin", "unpin", "look"]
        [act] = dice.choices(acts, [9, 1, 2, 2, 2, 3, 1, 1][: len(acts)])
        who, ask, sent = dice.choice(self.sent) if self.sent else (self.admin, None, None)
        if act == "send" or ask is None or sent is None:
            who = dice.choice(self.writers)
            ask = SendMessage.model_validate({"liveId": KEY, "message": f"text {name}", "clientMessageId": name})
            self.sent.append((who, ask, await chat.send(who, ask)))
            return
        one = {"liveId": KEY, "messageId": sent.id}
        match act:
            case "repeat":
                assert await chat.send(who, ask) == sent.model_copy(update={"duplicate": True})
            case "delete":
                await curators.deletions.delete(self.admin, DeleteMessage.model_validate(one))
            case "clear":
                some: dict[str, Any] = dice.choice([{}, {"userId": who.user_id}, {"lastSeconds": 1}])
                done = await curators.clears.clear(self.admin, Clear.model_validate({"liveId": KEY} | some))
                self.clears += [done.clear_id] if done.clear_id else []
            case "undo" if self.clears:
                undo = UndoClear.model_validate({"liveId": KEY, "clearId": dice.choice(self.clears)})
                await curators.clears.undo(self.admin, undo)
            case "pin":
                await curators.pins.pin(self.admin, PinMessage.model_validate(one))
            case "unpin":
                await curators.pins.unpin(self.admin, UnpinMessage.model_validate(one))
            case "look":
                await self.snapshots.read(KEY)


class Onlooker:
    """The messages that a client shows after every event of the room and after reading restored messages."""

    def __init__(self, stored: dict[int, Message]) -> None:
        self._stored = stored  # by place
        self.shown: dict[int, str] = {}  # senders by place
        self.pinned: dict[str, None] = {}  # by id
        self._places: dict[str, int] = {}

    def receive(self, seq: int, event: str, data: dict[str, Any]) -> None:
        match event:
            case "chat:message":
                assert data["seq"] == seq
                self.shown[seq], self._places[data["id"]] = data["userId"], seq
            case "chat:message-deleted":
                self.shown.pop(self._places[data["messageId"]], None)  # not read again if it was gone by then
            case "chat:cleared":
                gone = range(data["fromSeq"], data["beforeSeq"])
                self.shown = {
                    place: who
                    for place, who in self.shown.items()
                    if place not in gone or data.get("userId", who) != who
                }
            case "chat:restored":
                back = range(data["fromSeq"], data["toSeq"] + 1)
                self.shown |= {place: message.user_id for place, message in self._stored.items() if place in back}
            case "chat:pinned":
                self.pinned.pop(data["id"], None)
                self.pinned[data["id"]] = None
            case "chat:unpinned":
                del self.pinned[data["messageId"]]
            case _:
                raise AssertionError(event)


@pytest.fixture
async def clients(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Moderators]:
    monkeypatch.setattr(clears, "BATCH", 3)
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    clients = Moderators(database)
    await clients.open()
    yield clients
    await clients.close()
    await database.close()


@pytest.mark.parametrize("seed", range(4))
async def test_published_events_match_the_stored_state(clients: Moderators, seed: int) -> None:
    await asyncio.gather(*(clients.act(actor, random.Random(f"{seed} {actor}")) for actor in range(ACTORS)))

    said = {sent.id: ask.message for _, ask, sent in clients.sent}
    deletions = await MessageDeletion.all().values_list("message_id", "text")
    originals = {str(message_id): text for message_id, text in deletions}
    rows = await MessageRow.all().order_by("seq")
    assert {str(row.id) for row in rows if row.text is None} == set(originals)
    assert {str(row.id): row.text or originals[str(row.id)] for row in rows} == said

    events = await RoomEvent.filter(room_id=LOG).order_by("seq")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    logged = json.dumps([event.payload for event in events])
    assert not [text for text in originals.values() if f'"{text}"' in logged], "a deleted text is in the log"
    assert sorted(event for _, event, _ in clients.received.events) == sorted(event.event for event in events)

    snapshot = await clients.snapshots.read(KEY)
    onlooker = Onlooker({message.seq: message for message in snapshot.history})
    for event in events:
        onlooker.receive(event.seq, event.event, event.payload["data"])
    kept = [row for row in rows if row.text is not None]
    assert sorted(onlooker.shown) == [row.seq for row in kept]
    assert [message.message for message in snapshot.history] == [row.text for row in kept]
    assert [pin.id for pin in snapshot.pinned] == list(onlooker.pinned)
    assert len(onlooker.pinned) <= pins.MOST
