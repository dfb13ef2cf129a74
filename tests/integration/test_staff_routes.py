"""What moderators and hosts read, and what listed words would do, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.errors import Forbidden, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.records import AddWord, SampleText
from gateway.protocol.queries import LogQuery, MessageQuery
from gateway.redis.client import RedisClient
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.search import MessageSearch
from gateway.services.moderation.word_lists import WordLists
from models.main.moderation import ModerationAction
from tests.integration.moderated_room import ELSEWHERE, KEY, ModeratedRoom
from tests.support import make_settings


@pytest.fixture
async def room(database_url: str, redis: RedisClient) -> AsyncIterator[ModeratedRoom]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    room = ModeratedRoom(database, redis)
    await room.open()
    yield room
    await room.close()
    await database.close()


@pytest.mark.parametrize("role", ["admin", "moderator", "host", "other_host", "user"])
async def test_moderators_read_stored_messages(room: ModeratedRoom, role: str) -> None:
    await room.say(room.user, "hello")
    search, who = MessageSearch(room.database), getattr(room, role)
    if role in ("admin", "moderator", "host"):
        page = await search.page(who, KEY, MessageQuery())
        exported = [message async for message in await search.export(who, KEY, MessageQuery())]
        assert [message.message for message in page.items] == ["hello"]
        assert exported == page.items
    else:
        for call in (search.page, search.export):
            with pytest.raises(Forbidden):
                await call(who, KEY, MessageQuery())
    with pytest.raises(NotFound if role in ("admin", "moderator") else Forbidden):
        await search.page(who, "nowhere", MessageQuery())


async def test_a_text_is_tested_against_the_listed_words(room: ModeratedRoom) -> None:
    words = WordLists(room.database, AuditLog(room.database), Metrics())
    for word, action, live_id in (("rude", "MASK", None), ("worse", "BLOCK", KEY)):
        await words.add(room.admin, AddWord.model_validate({"word": word, "action": action, "liveId": live_id}))

    def tested(text: str, live_id: str | None = KEY) -> tuple[str, str | None]:
        result = words.test(SampleText.model_validate({"text": text, "liveId": live_id}))
        return result.action, result.text

    assert tested("fine") == ("ALLOW", "fine")
    assert tested("so rude") == ("MASK", "so ****")
    assert tested("worse and rude") == ("BLOCK", None)
    for elsewhere in (None, ELSEWHERE):
        assert tested("worse and rude", elsewhere) == ("MASK", "worse and ****")


ENTRIES = 5_000
WARM = 10  # times that a statement runs before its plan is kept
STORE_ENTRIES = """
    INSERT INTO moderation_log (action, actor_id, stream_key, details, created_at)
    SELECT $1, $2, $4, '{}', clock_timestamp() - make_interval(mins => $3 - n) FROM generate_series(1, $3) n
"""
ROWS_READ = """
    SELECT seq_tup_read + idx_tup_fetch AS rows, pg_stat_force_next_flush() FROM pg_stat_user_tables
    WHERE relname = 'moderation_log'
"""


@pytest.mark.parametrize("bound", ["from", "to"])
async def test_a_time_in_the_audit_log_is_found_without_reading_all_of_it(room: ModeratedRoom, bound: str) -> None:
    await room.database.query("DELETE FROM moderation_log")  # what is stored here is older, with higher numbers
    await room.database.query(STORE_ENTRIES, ModerationAction.BAN, UUID(room.admin.user_id), ENTRIES, KEY)
    await room.database.query("ANALYZE moderation_log")
    ends = {"from": timedelta(minutes=9.5), "to": timedelta(minutes=ENTRIES - 10.5)}
    ask = LogQuery.model_validate({bound: datetime.now(UTC) - ends[bound], "limit": 50})

    async def rows_read() -> int:
        await room.database.query(ROWS_READ)
        [row] = await room.database.query(ROWS_READ)
        return int(row["rows"])

    log = AuditLog(room.database)
    for _ in range(WARM):
        await log.page(room.host, ask)
    before = await rows_read()
    for _ in range(WARM):
        assert len((await log.page(room.host, ask)).items) == 10
    assert await rows_read() - before < 100 * WARM
