"""Deleting, clearing, pins, words and what joiners are shown on a real PostgreSQL, as two nodes do it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Code, GatewayError, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import DeleteMessage, SendMessage, Sent
from gateway.protocol.payloads.curation import Clear, PinMessage, UndoClear
from gateway.protocol.payloads.records import AddWord, ChangeWord
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
from tests.doubles import Recorder, principal
from tests.integration.services import Curators, make_chat, older
from tests.support import make_settings
from tests.timing import until

KEY = "demo"
KEPT = timedelta(days=90)


class CurationCluster:
    """A stream's chat on two nodes that share a database and a recorder of broadcasts, and its people."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.received = Recorder()
        self.chats = [make_chat(database, self.received) for _ in range(2)]
        self.curators = [Curators(database, self.received) for _ in range(2)]
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

    def published(self, event: str) -> list[dict[str, Any]]:
        return [payload["data"] for payload in self.received.named(event)]


def ask(text: str, name: str | None = None) -> SendMessage:
    return SendMessage.model_validate({"liveId": KEY, "message": text, "clientMessageId": name})


def clear(**fields: Any) -> Clear:
    return Clear.model_validate({"liveId": KEY} | fields)


def undo(clear_id: str | None) -> UndoClear:
    return UndoClear.model_validate({"liveId": KEY, "clearId": clear_id})


def deletion(message_id: str) -> DeleteMessage:
    return DeleteMessage.model_validate({"liveId": KEY, "messageId": message_id})


@pytest.fixture
async def cluster(database_url: str) -> AsyncIterator[CurationCluster]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    cluster = CurationCluster(database)
    await cluster.open()
    yield cluster
    await database.close()


# --- clearing -------------------------------------------------------------------------------------------------------


async def test_a_large_clear_is_published_in_steps(cluster: CurationCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clears, "BATCH", 4)
    await cluster.say(*(f"{n}" for n in range(10)))
    service = cluster.curators[0].clears
    assert (await service.clear(cluster.admin, clear(dryRun=True))).deleted == 10
    done = await service.clear(cluster.admin, clear())
    assert done.deleted == 10
    spans = [
        (published["fromSeq"], published["beforeSeq"], published["clearId"])
        for published in cluster.published("chat:cleared")
    ]
    assert spans == [(1, 5, done.clear_id), (5, 9, done.clear_id), (9, 11, done.clear_id)]
    assert await cluster.history() == []
    answers = await asyncio.gather(
        *(keeper.clears.undo(cluster.admin, undo(done.clear_id)) for keeper in cluster.curators)
    )
    assert sum(answer.restored for answer in answers) == 10
    assert sum(published["restored"] for published in cluster.published("chat:restored")) == 10
    assert await cluster.history() == [f"{n}" for n in range(10)]
    assert await cluster.value("SELECT count(*) FROM message_deletions") == 0


async def test_a_clear_by_time_publishes_only_deleted_places(cluster: CurationCluster) -> None:
    """Messages are in the order in which they were stored, and their times are those of several nodes."""
    bob = await cluster.person(Role.USER)
    await cluster.say("a")
    [spared] = await cluster.say("b", who=bob)
    await cluster.say("c", "d")
    await cluster.database.query(
        "UPDATE messages SET created_at = created_at - CASE seq WHEN $1 THEN 625 ELSE 570 END * interval '1 second'",
        spared.seq,
    )
    done = await cluster.curators[0].clears.clear(cluster.admin, clear(lastSeconds=600))
    assert (done.deleted, await cluster.history()) == (3, ["b"])
    assert [(published["fromSeq"], published["beforeSeq"]) for published in cluster.published("chat:cleared")] == [
        (1, 2),
        (3, 5),
    ]
    await cluster.curators[0].clears.undo(cluster.admin, undo(done.clear_id))
    cluster.received.events.clear()
    await cluster.curators[0].clears.clear(cluster.admin, clear(lastSeconds=600, userId=cluster.ann.user_id))
    assert [(published["fromSeq"], published["beforeSeq"]) for published in cluster.published("chat:cleared")] == [
        (1, 5)
    ], "of one sender"


async def test_a_repeated_request_continues_a_large_clear(
    cluster: CurationCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clears, "BATCH", 4)
    hasty = Curators(cluster.database, cluster.received, patience=timedelta(0)).clears
    sent = await cluster.say(*(f"{n}" for n in range(10)))
    await cluster.curators[0].deletions.delete(cluster.admin, deletion(sent[2].id))
    answers = [await hasty.clear(cluster.admin, clear()) for _ in range(4)]
    assert [(answer.deleted, answer.remaining) for answer in answers] == [(4, 5), (4, 1), (1, 0), (0, 0)]
    assert [answer.clear_id is None for answer in answers] == [False, False, False, True]
    assert await cluster.history() == []
    done = await cluster.curators[0].clears.undo(cluster.admin, undo(answers[0].clear_id))
    assert (done.restored, done.remaining, done.lost) == (4, 0, 0)
    whole = await cluster.curators[0].clears.clear(cluster.admin, clear())
    assert (whole.deleted, whole.remaining) == (4, 0)
    await cluster.say(*(f"{n}" for n in range(10, 18)))
    large = await cluster.curators[0].clears.clear(cluster.admin, clear())
    back = [await hasty.undo(cluster.admin, undo(large.clear_id)) for _ in range(3)]
    assert [(answer.restored, answer.remaining) for answer in back] == [(4, 4), (4, 0), (0, 0)]
    assert await cluster.history() == [f"{n}" for n in range(10, 18)]


async def test_deleting_clearing_and_writing_do_not_deadlock(cluster: CurationCluster) -> None:
    sent = await cluster.say(*(f"{n}" for n in range(20)))
    await asyncio.gather(
        *(cluster.curators[n % 2].deletions.delete(cluster.admin, deletion(one.id)) for n, one in enumerate(sent)),
        *(keeper.clears.clear(cluster.admin, clear()) for keeper in cluster.curators),
        *(cluster.chats[n % 2].send(cluster.ann, ask(f"new {n}")) for n in range(10)),
    )
    count = await cluster.value("SELECT count(*) FROM messages WHERE text IS NULL")
    assert count == await cluster.value("SELECT count(*) FROM message_deletions")
    assert count >= 20
    deleted = len(cluster.published("chat:message-deleted"))
    assert (
        deleted + await cluster.value("SELECT coalesce(sum((details->>'messages')::int), 0) FROM moderation_log")
        == count
    )
    assert await cluster.value(
        "SELECT seq = (SELECT count(*) FROM room_events) FROM rooms WHERE name = '/chat live:demo'"
    )


@pytest.mark.parametrize(("count", "brought"), [(100, True), (101, False)])
async def test_an_undo_brings_up_to_a_hundred_messages(cluster: CurationCluster, count: int, brought: bool) -> None:
    sent = await cluster.say(*map(str, range(count)))
    done = await cluster.curators[0].clears.clear(cluster.admin, clear())
    await cluster.curators[0].clears.undo(cluster.admin, undo(done.clear_id))
    [restored] = cluster.published("chat:restored")
    assert restored["restored"] == count
    ids = [message["id"] for message in restored["messages"]] if brought else restored["messages"]
    assert ids == ([message.id for message in sent] if brought else None)


async def test_an_undo_leaves_single_deletions_alone(cluster: CurationCluster) -> None:
    sent = await cluster.say("a", "b")
    await cluster.curators[0].deletions.delete(cluster.admin, deletion(sent[0].id))
    done = await cluster.curators[0].clears.clear(cluster.admin, clear())
    await cluster.curators[0].clears.undo(cluster.admin, undo(done.clear_id))
    assert await cluster.history() == ["b"]
    entry = await cluster.value("SELECT id FROM moderation_log WHERE action = 'DELETE_MESSAGE'")
    with pytest.raises(NotFound):
        await cluster.curators[0].clears.undo(cluster.admin, undo(str(entry)))


async def test_an_undo_leaves_later_deletions_alone(cluster: CurationCluster) -> None:
    sent = await cluster.say("a", "b")
    done = await cluster.curators[0].clears.clear(cluster.admin, clear())
    for _ in range(2):
        assert (await cluster.curators[0].deletions.delete(cluster.admin, deletion(sent[0].id))).already_deleted
    assert await cluster.value("SELECT count(*) FROM moderation_log WHERE action = 'DELETE_MESSAGE'") == 1
    answer = await cluster.curators[0].clears.undo(cluster.admin, undo(done.clear_id))
    assert (answer.restored, answer.remaining, answer.lost) == (1, 0, 0)
    assert await cluster.history() == ["b"]


@pytest.mark.parametrize("meanwhile", ["deleted", "brought back and cleared again"])
async def test_an_undo_in_steps_leaves_deletions_in_between_alone(
    cluster: CurationCluster, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    monkeypatch.setattr(clears, "BATCH", 1)
    sent = await cluster.say("a", "b")
    mine, other = cluster.curators
    done = await mine.clears.clear(cluster.admin, clear())
    publish, published = cluster.received.publish, asyncio.Event()

    async def interrupted(room: Any, event: str, payload: Any, stamp: Any = None) -> None:
        await publish(room, event, payload, stamp)
        if event == "chat:restored" and not published.is_set():
            published.set()
            if meanwhile == "deleted":
                await other.deletions.delete(cluster.admin, deletion(sent[1].id))
            else:
                await other.clears.undo(cluster.admin, undo(done.clear_id))
                await other.clears.clear(cluster.admin, clear())

    monkeypatch.setattr(cluster.received, "publish", interrupted)
    answer = await mine.clears.undo(cluster.admin, undo(done.clear_id))
    assert (answer.restored, answer.remaining) == (1, 0)
    assert await cluster.history() == (["a"] if meanwhile == "deleted" else [])


# --- retention ------------------------------------------------------------------------------------------------------


async def test_deleted_texts_expire_and_repetitions_are_still_recognised(cluster: CurationCluster) -> None:
    sent = await cluster.chats[0].send(cluster.ann, ask("old", "c-1"))
    await cluster.curators[0].clears.clear(cluster.admin, clear())
    done = cluster.published("chat:cleared")[0]["clearId"]
    retention = Retention(cluster.database, kinds(make_settings(deletion_retention=KEPT)), Metrics())
    assert not +await retention.sweep()
    await cluster.database.query("UPDATE message_deletions SET created_at = created_at - interval '91 days'")
    assert +await retention.sweep() == {"deleted_texts": 1}
    assert await cluster.value("SELECT text FROM message_deletions") is None
    assert await cluster.chats[1].send(cluster.ann, ask("old", "c-1")) == sent.model_copy(update={"duplicate": True})
    answer = await cluster.curators[0].clears.undo(cluster.admin, undo(done))
    assert (answer.restored, answer.lost) == (0, 1)
    assert await cluster.history() == []


# --- pins -----------------------------------------------------------------------------------------------------------


async def test_one_of_two_nodes_ends_a_pin(cluster: CurationCluster) -> None:
    sent = await cluster.say("for good", "for later", "for a minute")
    for message, seconds in zip(sent, (None, 600, 60), strict=True):
        pin = PinMessage.model_validate({"liveId": KEY, "messageId": message.id, "seconds": seconds})
        await cluster.curators[0].pins.pin(cluster.admin, pin)
    assert await cluster.curators[1].pins.expire() == 0
    await cluster.database.query("UPDATE pins SET ends_at = clock_timestamp() WHERE message_id = $1::uuid", sent[2].id)
    ended = await asyncio.gather(*(cluster.curators[n % 2].pins.expire() for n in range(6)))
    assert sorted(ended) == [0, 0, 0, 0, 0, 1]
    assert [(published["cause"], published["messageId"]) for published in cluster.published("chat:unpinned")] == [
        ("expired", sent[2].id)
    ]
    shown = await cluster.curators[0].pins.shown(KEY)
    assert [pin.message for pin in shown] == ["for good", "for later"]


async def test_a_pin_that_ends_immediately_is_published(
    cluster: CurationCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin has ended before the transaction that stores it commits."""
    [sent] = await cluster.say("for a second")
    query = cluster.database.query

    async def late(statement: str, *values: Any) -> list[dict[str, Any]]:
        if statement == pins.REPLACE:
            await query("UPDATE pins SET ends_at = clock_timestamp()")
        return await query(statement, *values)

    monkeypatch.setattr(cluster.database, "query", late)
    pin = PinMessage.model_validate({"liveId": KEY, "messageId": sent.id, "seconds": 1})
    assert (await cluster.curators[0].pins.pin(cluster.admin, pin)).message_id == sent.id
    assert [pin["id"] for pin in cluster.published("chat:pinned")] == [sent.id]
    assert await cluster.curators[0].pins.shown(KEY) == []
    assert await cluster.curators[0].pins.expire() == 1


async def test_a_deleted_text_is_erased_from_logged_pins(cluster: CurationCluster) -> None:
    [sent] = await cluster.say("unspeakable")
    log = RoomLog(cluster.database)
    await cluster.curators[0].pins.pin(cluster.admin, PinMessage.model_validate({"liveId": KEY, "messageId": sent.id}))
    await cluster.curators[0].deletions.delete(cluster.admin, deletion(sent.id))
    assert await cluster.value("SELECT count(*) FROM room_events WHERE strpos(payload::text, 'unspeakable') > 0") == 0
    room = cluster.received.events[0][0]
    assert [event.event for event in await log.after(room, 0, 10) if event.payload] == [
        "chat:message-deleted", "chat:unpinned",
    ]  # fmt: skip


# --- what joiners are shown -----------------------------------------------------------------------------------------


async def test_concurrent_joins_share_one_current_snapshot(cluster: CurationCluster) -> None:
    metrics = Metrics()
    keeper = cluster.curators[0]
    newest = Snapshots(cluster.database, RoomLog(cluster.database), Messages(cluster.database), keeper.pins, metrics)

    def looks(outcome: str) -> float:
        return float(metrics.cache.labels("snapshots", outcome)._value.get())

    [sent] = await cluster.say("a")
    shown = await asyncio.gather(*(newest.read(KEY) for _ in range(500)))
    assert {message.message for snapshot in shown for message in snapshot.history} == {"a"}
    assert looks("miss") == 1
    assert looks("hit") <= 1
    for change, texts, pinned in (
        (cluster.say("b"), ["a", "b"], 0),
        (
            keeper.pins.pin(cluster.admin, PinMessage.model_validate({"liveId": KEY, "messageId": sent.id})),
            ["a", "b"],
            1,
        ),
        (keeper.deletions.delete(cluster.admin, deletion(sent.id)), ["b"], 0),
        (keeper.clears.clear(cluster.admin, clear()), [], 0),
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
    cluster: CurationCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = WordLists(cluster.database, cluster.curators[0].audit_log, Metrics())
    await words.add(cluster.admin, AddWord.model_validate({"word": "first", "action": "BLOCK"}))
    query, slow, goes_on = cluster.database.query, [word_lists.ALL], asyncio.Event()

    async def read(statement: str, *values: Any) -> list[dict[str, Any]]:
        rows = await query(statement, *values)
        if statement in slow:
            slow.clear()
            await goes_on.wait()
        return rows

    monkeypatch.setattr(cluster.database, "query", read)
    await cluster.curators[1].audit_log.record(ModerationAction.ADD_WORD, cluster.admin)  # of another node
    looking = asyncio.create_task(words.refresh())
    await until(lambda: not slow)
    adding = asyncio.create_task(words.add(cluster.admin, AddWord.model_validate({"word": "second", "action": "MASK"})))
    await asyncio.wait([adding], timeout=0.3)
    goes_on.set()
    await asyncio.gather(looking, adding)
    assert words.check(KEY, "second") == "******"


async def test_concurrent_word_changes_reach_all_nodes(cluster: CurationCluster) -> None:
    nodes = [WordLists(cluster.database, keeper.audit_log, Metrics()) for keeper in cluster.curators]
    await asyncio.gather(
        *(
            nodes[n % 2].add(cluster.admin, AddWord.model_validate({"word": f"word{n}", "action": "MASK"}))
            for n in range(10)
        )
    )
    for node in nodes:
        await node.refresh()
        assert [node.check(KEY, f"word{n}") for n in range(10)] == ["*" * 5] * 10
    listed = await nodes[0].add(
        cluster.admin, AddWord.model_validate({"word": "rude", "action": "MASK", "liveId": KEY})
    )
    await nodes[1].change(cluster.admin, listed.id, ChangeWord.model_validate({"action": "BLOCK"}))
    await nodes[0].refresh()
    with pytest.raises(GatewayError) as refused:
        nodes[0].check(KEY, "so RUDE")
    assert refused.value.code is Code.INVALID_MESSAGE
    assert nodes[0].check("other", "so rude") == "so rude"
    await nodes[1].remove(cluster.admin, listed.id)
    await nodes[0].refresh()
    assert nodes[0].check(KEY, "so rude") == "so rude"
