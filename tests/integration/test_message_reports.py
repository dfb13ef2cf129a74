"""Reports of messages, hiding what many report, and reviews; on a real PostgreSQL, by two nodes' services."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Code, Conflict, Forbidden, GatewayError, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.curation import UndoClear
from gateway.protocol.payloads.reports import Report, Reported, ReportedMessageView, ReviewReports
from gateway.protocol.queries import LogQuery, ReportQuery
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.standing import Standings
from gateway.services.moderation.message_reports import MessageReports
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.report_reviews import ReportReviews
from gateway.services.retention.kinds import MESSAGES
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from tests.doubles import principal
from tests.integration.moderated_room import ELSEWHERE, KEY, ModeratedRoom
from tests.integration.services import Curators
from tests.support import make_settings

HIDE_AT = 3


class ReportedRoom(ModeratedRoom):
    """A room in which messages are reported on two nodes."""

    def __init__(self, database: Database, redis: RedisClient) -> None:
        super().__init__(database, redis)
        curators = [Curators(database, self.received) for _ in range(2)]
        self.standings = [Standings(database) for _ in range(2)]
        self.reports = [
            MessageReports(database, standings, curator.deletions, self.metrics, HIDE_AT)
            for standings, curator in zip(self.standings, curators, strict=True)
        ]
        log, permissions, audit_log = RoomLog(database), Permissions(database), AuditLog(database)
        outbox = Outbox(database, log, self.received)
        self.reviews = ReportReviews(database, log, outbox, permissions, audit_log, curators[0].deletions, self.metrics)
        self.viewers: list[Principal] = []

    async def open(self) -> None:
        await super().open()
        self.viewers = [await self.person() for _ in range(6)]

    async def close(self) -> None:
        for reports, standings in zip(self.reports, self.standings, strict=True):
            await reports.close()
            await standings.close()
        await super().close()

    async def report(self, who: Principal, message_id: str, *, node: int = 0, **fields: Any) -> Reported:
        ask = {"liveId": KEY, "messageId": message_id, "reason": "SPAM"} | fields
        return await self.reports[node].report(who, Report.model_validate(ask))

    async def report_all(self, people: Sequence[Principal], message_id: str) -> None:
        """Report a message at the same moment, on both nodes."""
        await asyncio.gather(*(self.report(who, message_id, node=n % 2) for n, who in enumerate(people)))

    async def review(self, who: Principal, message_id: str, decision: str, **fields: Any) -> ReportedMessageView:
        return await self.reviews.review(who, message_id, ReviewReports.model_validate({"decision": decision} | fields))

    async def view(self, message_id: str) -> ReportedMessageView:
        return await self.reviews.get(self.admin, message_id)

    async def listed(self, who: Principal, **query: Any) -> list[str]:
        page = await self.reviews.page(who, ReportQuery.model_validate(query))
        return [item.message_id for item in page.items]

    def heard(self, event: str) -> list[Any]:
        return [payload["data"] for _, name, payload in self.received.events if name == event]


@pytest.fixture
async def room(database_url: str, redis: RedisClient) -> AsyncIterator[ReportedRoom]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    room = ReportedRoom(database, redis)
    await room.open()
    yield room
    await room.close()
    await database.close()


# --- reporting ------------------------------------------------------------------------------------------------------


async def test_a_second_report_of_a_person_changes_nothing(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    ann, bob = room.viewers[:2]
    assert await room.report(ann, said, reason="ABUSE", note=" look ") == Reported(message_id=said, duplicate=False)
    assert await room.report(ann, said, reason="FRAUD", node=1) == Reported(message_id=said, duplicate=True)
    await room.report(bob, said)
    view = await room.reviews.get(room.host, said)
    assert (view.status, view.hidden, view.reports, view.reasons) == ("OPEN", False, 2, {"ABUSE": 1, "SPAM": 1})
    assert [(note.reason, note.note) for note in view.notes] == [("ABUSE", "look")]
    assert (view.message, view.user_id, view.reviewed_by) == ("hello", room.user.user_id, None)
    ask = Report.model_validate({"liveId": KEY, "messageId": said, "reason": "SPAM"})
    assert (await room.reports[0].repeated(ann, ask)) == Reported(message_id=said, duplicate=True)
    assert await room.reports[0].repeated(room.viewers[2], ask) is None


async def test_what_cannot_be_reported_is_refused(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    ann = room.viewers[0]
    with pytest.raises(Forbidden):
        await room.report(room.user, said)
    for unknown in ("nothing", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            await room.report(ann, unknown)
    with pytest.raises(NotFound):  # a message of another room
        await room.report(ann, said, liveId=ELSEWHERE)
    await room.mute(room.moderator, ann.user_id)
    with pytest.raises(GatewayError) as refused:
        await room.report(ann, said)
    assert refused.value.code is Code.MUTED
    await room.delete(room.admin)
    with pytest.raises(Conflict):
        await room.report(room.viewers[1], said)
    assert await room.listed(room.admin) == []


async def test_reports_are_of_one_statement_for_many(room: ReportedRoom) -> None:
    said = [(await room.say(room.user, f"message {n}")).id for n in range(4)]
    asks = [(who, message) for who in room.viewers for message in (*said, "nothing")]
    answers = await asyncio.gather(
        *(room.report(who, message, node=n % 2) for n, (who, message) in enumerate(asks)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, NotFound)]
    assert len(refused) == len(room.viewers)
    assert sorted(await room.listed(room.admin)) == sorted(said)
    assert {(await room.view(message)).reports for message in said} == {len(room.viewers)}


# --- hiding ---------------------------------------------------------------------------------------------------------


async def test_what_enough_people_report_at_once_is_hidden_once(room: ReportedRoom) -> None:
    said = (await room.say(room.user, "buy followers")).id
    await room.report_all(room.viewers[: HIDE_AT - 1], said)
    assert room.heard("chat:message-deleted") == []
    await room.report_all(room.viewers[HIDE_AT - 1 :], said)
    [deleted] = room.heard("chat:message-deleted")
    assert (deleted["messageId"], deleted["deletedBy"], deleted["reason"]) == (said, "system", "reported")
    view = await room.view(said)
    assert (view.status, view.hidden, view.message, view.reports) == ("OPEN", True, "buy followers", 6)
    await room.report(await room.person(), said)  # the case is open still
    assert len(room.heard("chat:message-deleted")) == 1
    assert room.metrics.registry.get_sample_value("dorami_reports_total", {"outcome": "hidden"}) == 1


async def test_whom_hiding_does_not_count(room: ReportedRoom) -> None:
    """Guests are free, and so are accounts that are made for a message."""
    said = (await room.say(room.user)).id
    young = [await room.person() for _ in range(HIDE_AT)]
    guests = [principal(Role.GUEST, f"guest-{n:016x}") for n in range(HIDE_AT)]
    await room.report_all([*young, *guests, *room.viewers[: HIDE_AT - 1]], said)
    assert room.heard("chat:message-deleted") == []
    await room.report(room.viewers[-1], said)
    assert len(room.heard("chat:message-deleted")) == 1


@pytest.mark.parametrize("author", ["admin", "moderator", "host"])
async def test_messages_of_staff_are_reviewed_and_not_hidden(room: ReportedRoom, author: str) -> None:
    said = (await room.say(getattr(room, author))).id
    await room.report_all(room.viewers, said)
    assert room.heard("chat:message-deleted") == []
    assert await room.listed(room.moderator, status="OPEN") == [said]


async def test_reports_that_staff_rejects_count_for_less(room: ReportedRoom) -> None:
    for _ in range(2):
        said = (await room.say(room.user)).id
        await room.report_all(room.viewers[:2], said)
        await room.review(room.moderator, said, "KEEP")
    said = (await room.say(room.user)).id
    await room.report_all(room.viewers[:4], said)  # 1/3 + 1/3 + 1 + 1
    assert room.heard("chat:message-deleted") == []
    await room.report(room.viewers[4], said)
    assert len(room.heard("chat:message-deleted")) == 1


async def test_what_staff_has_kept_is_not_hidden_again(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report(room.viewers[0], said)
    await room.review(room.moderator, said, "KEEP")
    await room.report_all(room.viewers[1:], said)
    assert room.heard("chat:message-deleted") == []
    assert await room.listed(room.moderator, status="OPEN") == []


# --- reviewing ------------------------------------------------------------------------------------------------------


async def test_a_kept_message_is_shown_again_as_it_was(room: ReportedRoom) -> None:
    first = (await room.say(room.user, "before")).id
    said = (await room.say(room.user, "fine")).id
    await room.say(room.user, "after")
    await room.report_all(room.viewers, said)
    detail = await room.reviews.get(room.moderator, said)
    assert [[message.message for message in side] for side in (detail.before, detail.after)] == [["before"], ["after"]]
    kept = await room.review(room.moderator, said, "KEEP", reason="fine")
    assert (kept.status, kept.hidden, kept.message, kept.reviewed_by) == ("KEPT", False, "fine", room.moderator.user_id)
    [restored] = room.heard("chat:restored")
    assert [(message["id"], message["message"]) for message in restored["messages"]] == [(said, "fine")]
    assert (await room.review(room.host, said, "KEEP")).reviewed_by == room.moderator.user_id  # again: no change
    assert len(room.heard("chat:restored")) == 1
    [entry, *_] = (await AuditLog(room.database).page(room.admin, LogQuery())).items
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "KEEP_MESSAGE", room.moderator.user_id, room.user.user_id,
    )  # fmt: skip
    assert entry.details == {"reports": 6, "reasons": {"SPAM": 6}, "hidden": True}
    deleted = await room.review(room.moderator, said, "DELETE")  # another mind
    assert (deleted.status, deleted.message) == ("DELETED", None)
    with pytest.raises(Conflict):
        await room.review(room.moderator, said, "KEEP")
    with pytest.raises(NotFound):
        await room.review(room.moderator, first, "KEEP")


async def test_two_who_review_at_once_decide_once(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report_all(room.viewers, said)
    answers = await asyncio.gather(
        *(room.review(who, said, "KEEP") for who in (room.admin, room.moderator, room.host)),
    )
    assert len({answer.reviewed_by for answer in answers}) == 1
    assert len(room.heard("chat:restored")) == 1


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_deleted_message_does_not_come_back(room: ReportedRoom, hidden: bool) -> None:
    said = (await room.say(room.user)).id
    await room.report_all(room.viewers[: HIDE_AT if hidden else 1], said)
    view = await room.review(room.host, said, "DELETE", reason="no")
    assert (view.status, view.message, view.hidden) == ("DELETED", None, False)
    assert len(room.heard("chat:message-deleted")) == 1
    with pytest.raises(Conflict):
        await room.review(room.admin, said, "KEEP")


async def test_deleting_in_the_room_ends_the_review(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report_all(room.viewers, said)
    assert (await room.delete(room.admin)).already_deleted
    view = await room.view(said)
    assert (view.status, view.message, view.reviewed_by) == ("DELETED", None, room.admin.user_id)
    assert await room.listed(room.admin, status="OPEN") == []


async def test_a_cleared_message_waits_again_when_the_clear_is_undone(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report(room.viewers[0], said)
    cleared = await room.clear(room.admin)
    assert (await room.view(said)).status == "DELETED"
    assert (await room.reports[0].open_in([KEY]))[0].reports.open == 0
    await room.curators.clears.undo(room.admin, UndoClear.model_validate({"liveId": KEY, "clearId": cleared.clear_id}))
    assert (await room.view(said)).status == "OPEN"
    [hosted] = await room.reports[0].open_in([KEY, "nowhere"])
    assert (hosted.host_id, hosted.reports.open, hosted.reports.hidden) == (room.host.user_id, 1, 0)


async def test_who_reviews_what(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report(room.viewers[0], said)
    for who in (room.other_host, room.user):
        for decision in ("KEEP", "DELETE"):
            with pytest.raises(Forbidden):
                await room.review(who, said, decision)
        with pytest.raises(Forbidden):
            await room.reviews.get(who, said)
    assert await room.listed(room.other_host) == []
    with pytest.raises(Forbidden):
        await room.listed(room.user)
    assert await room.listed(room.host) == await room.listed(room.moderator) == [said]


async def test_only_staff_of_the_room_learns_whether_a_message_was_reported(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    for _ in ("not reported", "reported"):
        for who in (room.other_host, room.user):
            with pytest.raises(Forbidden):
                await room.reviews.get(who, said)
            with pytest.raises(Forbidden):
                await room.review(who, said, "DELETE")
        await room.report(room.viewers[0], said)


async def test_nobody_but_administrators_judges_alone(room: ReportedRoom) -> None:
    """Moderators may not delete at will: not by reporting first, and a host does not clear their own message."""
    said = (await room.say(room.user)).id
    await room.report(room.moderator, said)
    with pytest.raises(Forbidden):
        await room.review(room.moderator, said, "DELETE")
    assert (await room.review(room.admin, said, "DELETE")).status == "DELETED"
    own = (await room.say(room.host)).id
    await room.report(room.viewers[0], own)
    with pytest.raises(Forbidden):
        await room.review(room.host, own, "KEEP")
    assert (await room.review(room.host, own, "DELETE")).status == "DELETED"


async def test_the_queue_has_filters_and_pages(room: ReportedRoom) -> None:
    said = [(await room.say(room.user, f"message {n}")).id for n in range(5)]
    for number, message in enumerate(said):
        await room.report_all(room.viewers[: HIDE_AT if number == 0 else 1], message)
    await room.report(room.viewers[5], said[1], reason="FRAUD")
    await room.review(room.moderator, said[4], "KEEP")
    assert await room.listed(room.host, status="OPEN") == said[3::-1]
    assert await room.listed(room.host, status="KEPT") == [said[4]]
    assert await room.listed(room.host, hidden=True) == [said[0]]
    assert await room.listed(room.host, reason="FRAUD") == [said[1]]
    assert await room.listed(room.host, userId=room.host.user_id) == []
    found, cursor = [], None
    for _ in range(3):
        page = await room.reviews.page(room.admin, ReportQuery.model_validate({"limit": 2, "cursor": cursor}))
        assert page.open == 4
        found += [item.message_id for item in page.items]
        cursor = page.next_cursor
    assert (found, cursor) == (said[::-1], None)


async def test_reports_go_with_their_message(room: ReportedRoom) -> None:
    said = (await room.say(room.user)).id
    await room.report_all(room.viewers, said)
    await room.database.query(
        "UPDATE streams SET status = 'CANCELLED', created_at = now() - interval '9 days', "
        "updated_at = now() - interval '8 days'"
    )
    assert len(await room.database.query(MESSAGES, timedelta(days=1), 100)) == 1
    for table in ("message_reports", "reported_messages", "message_deletions"):
        assert await room.database.query(f"SELECT FROM {table}") == []
