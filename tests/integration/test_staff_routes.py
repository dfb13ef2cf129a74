"""What moderators and hosts read, and what listed words would do, on a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from gateway.errors import Forbidden, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.records import AddWord, SampleText
from gateway.protocol.queries import MessageQuery
from gateway.redis.client import RedisClient
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.search import MessageSearch
from gateway.services.moderation.word_lists import WordLists
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
