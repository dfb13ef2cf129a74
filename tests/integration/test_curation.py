"""Deleting, clearing, pins, words and what joiners are shown on a real PostgreSQL, as two nodes do it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Code, GatewayError, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.chat import DeleteMessage, SendMessage, Sent
from gateway.protocol.curation import Clear, PinMessage, UndoClear
from gateway.protocol.records import AddWord, ChangeWord
from gateway.security.principal import Principal, Role
from gateway.services.chat.messages import Messages
from gateway.services.chat.snapshot import Snapshots
from gateway.services.moderation import clears, pins, word_lists
from gateway.services.moderation.word_lists import WordLists
from gateway.services.retention.kinds import kinds
from gateway.services.retention.retention import Retention
from gateway.services.rooms.log import RoomLog
from models.main.moderation import ModerationAction
from models.main.room import Room
from models.main.stream import Stream
from models.main.user import User
from tests.doubles import Heard, principal
from tests.integration.services import Curators, make_chat, older
from tests.support import make_settings
from tests.timing import until

KEY = "demo"
KEPT = timedelta(days=90)


class Place:
    """A stream's chat on two nodes that share a database and hear each other, and its people."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.heard = Heard()
        self.chats = [make_chat(database, self.heard) for _ in range(2)]
        self.curators = [Curators(database, self.heard) for _ in range(2)]
        self.admin = self.ann = principal()

    async def open(self) -> None:
        self.admin, self.ann = await self.person(Role.ADMIN), await self.person(Role.USER)
        await Stream.create(key=KEY, title="Demo", description="", host_id=self.admin.user_id)
        await Room.create(name=f"/chat live:{KEY}", stream_id=KEY)

    async def person(self, role: Role) -> Principal:
        number = await User.all().count()
        user = await User.create(email=f"{number}@example.com", username="x", password_hash="-", role=role.value)
        return principal(role, str(user.id))

    async def say(self, *texts: str, who: Principal | None = None) -> list[Sent]:
        return [await self.chats[0].send(who or self.ann, ask(text)) for text in texts]

    async def history(self) -> list[str]:
        page = await self.chats[1].history(principal(), older(KEY, None, 100))
        return [message.message for message in page.messages]

    async def value(self, statement: str) -> Any:
        return next(iter((await self.database.query(statement))[0].values()))

    def told(self, event: str) -> list[dict[str, Any]]:
        return [payload["data"] for payload in self.heard.named(event)]


def ask(text: str, name: str | None = None) -> SendMessage:
    return SendMessage.model_validate({"liveId": KEY, "message": text, "clientMessageId": name})


def clear(**fields: Any) -> Clear:
    return Clear.model_validate({"liveId": KEY} | fields)


def undo(clear_id: str | None) -> UndoClear:
    return UndoClear.model_validate({"liveId": KEY, "clearId": clear_id})


def deletion(message_id: str) -> DeleteMessage:
    return DeleteMessage.model_validate({"liveId": KEY, "messageId": message_id})


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    place = Place(database)
    await place.open()
    yield place
    await database.close()


# --- clearing -------------------------------------------------------------------------------------------------------


async def test_a_large_clear_is_published_in_steps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clears, "BATCH", 4)
    await place.say(*(f"{n}" for n in range(10)))
    service = place.curators[0].clears
    assert (await service.clear(place.admin, clear(dryRun=True))).deleted == 10
    done = await service.clear(place.admin, clear())
    assert done.deleted == 10
    spans = [(told["fromSeq"], told["beforeSeq"], told["clearId"]) for told in place.told("chat:cleared")]
    assert spans == [(1, 5, done.clear_id), (5, 9, done.clear_id), (9, 11, done.clear_id)]
    assert await place.history() == []
    answers = await asyncio.gather(*(keeper.clears.undo(place.admin, undo(done.clear_id)) for keeper in place.curators))
    assert sum(answer.restored for answer in answers) == 10
    assert sum(told["restored"] for told in place.told("chat:restored")) == 10
    assert await place.history() == [f"{n}" for n in range(10)]
    assert await place.value("SELECT count(*) FROM message_deletions") == 0


async def test_a_clear_by_time_publishes_only_deleted_places(place: Place) -> None:
    """Messages are in the order in which they were stored, and their times are those of several nodes."""
    bob = await place.person(Role.USER)
    await place.say("a")
    [spared] = await place.say("b", who=bob)
    await place.say("c", "d")
    await place.database.query(
        "UPDATE messages SET created_at = created_at - interval '1 hour' WHERE seq = $1 RETURNING seq", spared.seq
    )
    done = await place.curators[0].clears.clear(place.admin, clear(lastSeconds=600))
    assert (done.deleted, await place.history()) == (3, ["b"])
    assert [(told["fromSeq"], told["beforeSeq"]) for told in place.told("chat:cleared")] == [(1, 2), (3, 5)]
    await place.curators[0].clears.undo(place.admin, undo(done.clear_id))
    place.heard.events.clear()
    await place.curators[0].clears.clear(place.admin, clear(lastSeconds=600, userId=place.ann.user_id))
    assert [(told["fromSeq"], told["beforeSeq"]) for told in place.told("chat:cleared")] == [(1, 5)], "of one sender"


async def test_a_repeated_request_continues_a_large_clear(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clears, "BATCH", 4)
    hasty = Curators(place.database, place.heard, patience=timedelta(0)).clears
    sent = await place.say(*(f"{n}" for n in range(10)))
    await place.curators[0].deletions.delete(place.admin, deletion(sent[2].id))
    answers = [await hasty.clear(place.admin, clear()) for _ in range(4)]
    assert [(answer.deleted, answer.remaining) for answer in answers] == [(4, 5), (4, 1), (1, 0), (0, 0)]
    assert [answer.clear_id is None for answer in answers] == [False, False, False, True]
    assert await place.history() == []
    done = await place.curators[0].clears.undo(place.admin, undo(answers[0].clear_id))
    assert (done.restored, done.remaining, done.lost) == (4, 0, 0)
    whole = await place.curators[0].clears.clear(place.admin, clear())
    assert (whole.deleted, whole.remaining) == (4, 0)
    await place.say(*(f"{n}" for n in range(10, 18)))
    large = await place.curators[0].clears.clear(place.admin, clear())
    back = [await hasty.undo(place.admin, undo(large.clear_id)) for _ in range(3)]
    assert [(answer.restored, answer.remaining) for answer in back] == [(4, 4), (4, 0), (0, 0)]
    assert await place.history() == [f"{n}" for n in range(10, 18)]


async def test_deleting_clearing_and_writing_do_not_deadlock(place: Place) -> None:
    sent = await place.say(*(f"{n}" for n in range(20)))
    await asyncio.gather(
        *(place.curators[n % 2].deletions.delete(place.admin, deletion(one.id)) for n, one in enumerate(sent)),
        *(keeper.clears.clear(place.admin, clear()) for keeper in place.curators),
        *(place.chats[n % 2].send(place.ann, ask(f"new {n}")) for n in range(10)),
    )
    count = await place.value("SELECT count(*) FROM messages WHERE text IS NULL")
    assert count == await place.value("SELECT count(*) FROM message_deletions")
    assert count >= 20
    deleted = len(place.told("chat:message-deleted"))
    assert (
        deleted + await place.value("SELECT coalesce(sum((details->>'messages')::int), 0) FROM moderation_log") == count
    )
    assert await place.value(
        "SELECT seq = (SELECT count(*) FROM room_events) FROM rooms WHERE name = '/chat live:demo'"
    )


async def test_an_undo_leaves_single_deletions_alone(place: Place) -> None:
    sent = await place.say("a", "b")
    await place.curators[0].deletions.delete(place.admin, deletion(sent[0].id))
    done = await place.curators[0].clears.clear(place.admin, clear())
    await place.curators[0].clears.undo(place.admin, undo(done.clear_id))
    assert await place.history() == ["b"]
    entry = await place.value("SELECT id FROM moderation_log WHERE action = 'DELETE_MESSAGE'")
    with pytest.raises(NotFound):
        await place.curators[0].clears.undo(place.admin, undo(str(entry)))


async def test_an_undo_leaves_later_deletions_alone(place: Place) -> None:
    sent = await place.say("a", "b")
    done = await place.curators[0].clears.clear(place.admin, clear())
    for _ in range(2):
        assert (await place.curators[0].deletions.delete(place.admin, deletion(sent[0].id))).already_deleted
    assert await place.value("SELECT count(*) FROM moderation_log WHERE action = 'DELETE_MESSAGE'") == 1
    answer = await place.curators[0].clears.undo(place.admin, undo(done.clear_id))
    assert (answer.restored, answer.remaining, answer.lost) == (1, 0, 0)
    assert await place.history() == ["b"]


@pytest.mark.parametrize("meanwhile", ["deleted", "brought back and cleared again"])
async def test_an_undo_in_steps_leaves_deletions_in_between_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    monkeypatch.setattr(clears, "BATCH", 1)
    sent = await place.say("a", "b")
    mine, other = place.curators
    done = await mine.clears.clear(place.admin, clear())
    publish, told = place.heard.publish, asyncio.Event()

    async def interrupted(room: Any, event: str, payload: Any, stamp: Any = None) -> None:
        await publish(room, event, payload, stamp)
        if event == "chat:restored" and not told.is_set():
            told.set()
            if meanwhile == "deleted":
                await other.deletions.delete(place.admin, deletion(sent[1].id))
            else:
                await other.clears.undo(place.admin, undo(done.clear_id))
                await other.clears.clear(place.admin, clear())

    monkeypatch.setattr(place.heard, "publish", interrupted)
    answer = await mine.clears.undo(place.admin, undo(done.clear_id))
    assert (answer.restored, answer.remaining) == (1, 0)
    assert await place.history() == (["a"] if meanwhile == "deleted" else [])


# --- retention ------------------------------------------------------------------------------------------------------


async def test_deleted_texts_expire_and_repetitions_are_still_recognised(place: Place) -> None:
    sent = await place.chats[0].send(place.ann, ask("old", "c-1"))
    await place.curators[0].clears.clear(place.admin, clear())
    done = place.told("chat:cleared")[0]["clearId"]
    retention = Retention(place.database, kinds(make_settings(deletion_retention=KEPT)), Metrics())
    assert not +await retention.sweep()
    await place.database.query("UPDATE message_deletions SET created_at = created_at - interval '91 days'")
    assert +await retention.sweep() == {"deleted_texts": 1}
    assert await place.value("SELECT text FROM message_deletions") is None
    assert await place.chats[1].send(place.ann, ask("old", "c-1")) == sent.model_copy(update={"duplicate": True})
    answer = await place.curators[0].clears.undo(place.admin, undo(done))
    assert (answer.restored, answer.lost) == (0, 1)
    assert await place.history() == []


# --- pins -----------------------------------------------------------------------------------------------------------


async def test_one_of_two_nodes_ends_a_pin(place: Place) -> None:
    sent = await place.say("for good", "for later", "for a minute")
    for message, seconds in zip(sent, (None, 600, 60), strict=True):
        pin = PinMessage.model_validate({"liveId": KEY, "messageId": message.id, "seconds": seconds})
        await place.curators[0].pins.pin(place.admin, pin)
    assert await place.curators[1].pins.expire() == 0
    await place.database.query("UPDATE pins SET ends_at = clock_timestamp() WHERE message_id = $1::uuid", sent[2].id)
    ended = await asyncio.gather(*(place.curators[n % 2].pins.expire() for n in range(6)))
    assert sorted(ended) == [0, 0, 0, 0, 0, 1]
    assert [(told["cause"], told["messageId"]) for told in place.told("chat:unpinned")] == [("expired", sent[2].id)]
    shown = await place.curators[0].pins.shown(KEY)
    assert [pin.message for pin in shown] == ["for good", "for later"]


async def test_a_pin_that_ends_immediately_is_published(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    [sent] = await place.say("for a second")
    query = place.database.query

    async def slow(statement: str, *values: Any) -> list[dict[str, Any]]:
        if statement == pins.REPLACE:
            await asyncio.sleep(1.1)
        return await query(statement, *values)

    monkeypatch.setattr(place.database, "query", slow)
    pin = PinMessage.model_validate({"liveId": KEY, "messageId": sent.id, "seconds": 1})
    assert (await place.curators[0].pins.pin(place.admin, pin)).message_id == sent.id
    assert [pin["id"] for pin in place.told("chat:pinned")] == [sent.id]
    assert await place.curators[0].pins.shown(KEY) == []
    assert await place.curators[0].pins.expire() == 1


async def test_a_deleted_text_is_erased_from_logged_pins(place: Place) -> None:
    [sent] = await place.say("unspeakable")
    log = RoomLog(place.database)
    await place.curators[0].pins.pin(place.admin, PinMessage.model_validate({"liveId": KEY, "messageId": sent.id}))
    await place.curators[0].deletions.delete(place.admin, deletion(sent.id))
    assert await place.value("SELECT count(*) FROM room_events WHERE strpos(payload::text, 'unspeakable') > 0") == 0
    room = place.heard.events[0][0]
    assert [event.event for event in await log.after(room, 0, 10) if event.payload] == [
        "chat:message-deleted", "chat:unpinned",
    ]  # fmt: skip


# --- what joiners are shown -----------------------------------------------------------------------------------------


async def test_concurrent_joins_share_one_current_snapshot(place: Place) -> None:
    metrics = Metrics()
    keeper = place.curators[0]
    newest = Snapshots(place.database, RoomLog(place.database), Messages(place.database), keeper.pins, metrics)

    def looks(outcome: str) -> float:
        return float(metrics.cache.labels("snapshots", outcome)._value.get())

    [sent] = await place.say("a")
    shown = await asyncio.gather(*(newest.read(KEY) for _ in range(500)))
    assert {message.message for snapshot in shown for message in snapshot.history} == {"a"}
    assert looks("miss") == 1
    assert looks("hit") <= 1
    for change, texts, pinned in (
        (place.say("b"), ["a", "b"], 0),
        (keeper.pins.pin(place.admin, PinMessage.model_validate({"liveId": KEY, "messageId": sent.id})), ["a", "b"], 1),
        (keeper.deletions.delete(place.admin, deletion(sent.id)), ["b"], 0),
        (keeper.clears.clear(place.admin, clear()), [], 0),
    ):
        await change
        snapshot = await newest.read(KEY)
        assert [message.message for message in snapshot.history] == texts
        assert len(snapshot.pinned) == pinned
        assert await newest.read(KEY) == snapshot
    with pytest.raises(NotFound):
        await newest.read("nowhere")
    await newest.close()


# --- words ----------------------------------------------------------------------------------------------------------


async def test_a_reload_of_words_started_before_a_change_is_discarded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = WordLists(place.database, place.curators[0].audit_log, Metrics())
    await words.add(place.admin, AddWord.model_validate({"word": "first", "action": "BLOCK"}))
    query, slow, goes_on = place.database.query, [word_lists.ALL], asyncio.Event()

    async def read(statement: str, *values: Any) -> list[dict[str, Any]]:
        rows = await query(statement, *values)
        if statement in slow:
            slow.clear()
            await goes_on.wait()
        return rows

    monkeypatch.setattr(place.database, "query", read)
    await place.curators[1].audit_log.record(ModerationAction.ADD_WORD, place.admin)  # of another node
    looking = asyncio.create_task(words.refresh())
    await until(lambda: not slow)
    adding = asyncio.create_task(words.add(place.admin, AddWord.model_validate({"word": "second", "action": "MASK"})))
    await asyncio.wait([adding], timeout=0.3)
    goes_on.set()
    await asyncio.gather(looking, adding)
    assert words.check(KEY, "second") == "******"


async def test_concurrent_word_changes_reach_all_nodes(place: Place) -> None:
    nodes = [WordLists(place.database, keeper.audit_log, Metrics()) for keeper in place.curators]
    await asyncio.gather(
        *(
            nodes[n % 2].add(place.admin, AddWord.model_validate({"word": f"word{n}", "action": "MASK"}))
            for n in range(10)
        )
    )
    for node in nodes:
        await node.refresh()
        assert [node.check(KEY, f"word{n}") for n in range(10)] == ["*" * 5] * 10
    listed = await nodes[0].add(place.admin, AddWord.model_validate({"word": "rude", "action": "MASK", "liveId": KEY}))
    await nodes[1].change(place.admin, listed.id, ChangeWord.model_validate({"action": "BLOCK"}))
    await nodes[0].refresh()
    with pytest.raises(GatewayError) as refused:
        nodes[0].check(KEY, "so RUDE")
    assert refused.value.code is Code.INVALID_MESSAGE
    assert nodes[0].check("other", "so rude") == "so rude"
    await nodes[1].remove(place.admin, listed.id)
    await nodes[0].refresh()
    assert nodes[0].check(KEY, "so rude") == "so rude"
