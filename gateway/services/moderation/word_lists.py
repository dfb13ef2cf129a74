"""The lists of words that messages are looked through for. Asked by the chat service, changed over HTTP by admins."""

import asyncio
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import Field
from tortoise.expressions import Q

from gateway.concurrency.periodic import Periodic
from gateway.errors import Code, Conflict, GatewayError, InvalidPayload, NotFound, Unavailable
from gateway.keys import WORDS_LOCK
from gateway.metrics import Metrics
from gateway.postgres.database import Database, ForeignKeyError, UniqueError
from gateway.protocol import cursors
from gateway.protocol.queries import WordQuery
from gateway.protocol.records import AddWord, ChangeWord, WordPage, WordView
from gateway.protocol.wire import Moment
from gateway.security.principal import Principal
from gateway.services.chat import word_filter
from gateway.services.moderation.audit_log import AuditLog
from models.moderation import ListedWord, ModerationAction, WordAction

CHECK = 0.5  # s between two looks for changes: all nodes know of one within a second, and there is no notice to lose
MOST = 5000  # words in all lists; each node holds them all, and reads them all when one has changed
REFUSAL = "The message has a word that is not allowed here"

ACTIONS = (ModerationAction.ADD_WORD, ModerationAction.CHANGE_WORD, ModerationAction.REMOVE_WORD)

# Changes are made one after the other, so that the newest entry says which of them have been seen.
TURN = "SELECT pg_advisory_xact_lock($1)"
VERSION = "SELECT max(id) AS version FROM moderation_log WHERE action = ANY ($1)"
ALL = "SELECT stream_key, word, action FROM listed_words"

Id = Annotated[UUID, Field(strict=False)]


class WordLists:
    """What has been changed holds on this node when the call returns, and on all within a second.

    While the database is away, the lists are those that were read last.
    """

    def __init__(self, database: Database, record: AuditLog, metrics: Metrics) -> None:
        self._database = database
        self._record = record
        self._metrics = metrics
        self._version: int | None = -1  # of no list
        self._general, self._rooms = word_filter.compiled([])
        self._reading = asyncio.Lock()  # who has read an older list must not write it over a newer one
        self._rounds = Periodic("word-lists", CHECK, self.refresh, Unavailable)

    async def start(self) -> None:
        """Read the lists. Raises Unavailable."""
        await self.refresh()
        self._rounds.start()

    async def close(self) -> None:
        """Look no more."""
        await self._rounds.close()

    async def refresh(self) -> None:
        """Read the lists if they have changed. Raises Unavailable."""
        async with self._reading:
            async with self._database.guard("words.refresh"):
                version = (await self._database.query(VERSION, ACTIONS))[0]["version"]
                if version == self._version:
                    return
                rows = await self._database.query(ALL)
            words = ((row["stream_key"], row["word"], WordAction(row["action"])) for row in rows)
            self._general, self._rooms = word_filter.compiled(words)
            self._version = version

    # --- messages -----------------------------------------------------------------------------------------------------

    def check(self, live_id: str, text: str) -> str:
        """What is stored of a text: the text, or what is left of it. Raises INVALID_MESSAGE for one that is blocked."""
        said = self._rooms.get(live_id, self._general).apply(text)
        if said is None:
            self._metrics.words.labels("block").inc()
            raise GatewayError(Code.INVALID_MESSAGE, REFUSAL)
        if said != text:
            self._metrics.words.labels("mask").inc()
        return said

    # --- the lists ----------------------------------------------------------------------------------------------------

    async def page(self, ask: WordQuery) -> WordPage:
        """A page of listed words, newest first."""
        found = ListedWord.all()
        if ask.live_id is not None:
            found = found.filter(stream_id=ask.live_id)
        if ask.action is not None:
            found = found.filter(action=ask.action)
        if ask.search is not None:
            found = found.filter(word__contains=word_filter.normal(ask.search))
        if ask.cursor is not None:
            moment, last = cursors.decode(ask.cursor, tuple[Moment, Id])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("words.page"):
            words = await found.order_by("-created_at", "-id").limit(ask.limit + 1)
        items, more = words[: ask.limit], len(words) > ask.limit
        place = cursors.encode((items[-1].created_at.isoformat(), str(items[-1].id))) if more else None
        return WordPage(items=[_view(word) for word in items], next_cursor=place)

    async def add(self, principal: Principal, ask: AddWord) -> WordView:
        """List a word. Raises NotFound for an unknown room, Conflict if it is listed there or too many words are."""
        word = word_filter.normal(ask.word)
        if not word:
            raise InvalidPayload("Nothing of this word can be found in a text")
        listed = ListedWord(
            id=uuid4(), stream_id=ask.live_id, word=word[:100], action=ask.action, created_by_id=UUID(principal.user_id)
        )
        try:
            async with self._database.guard("words.add"), self._database.transaction():
                await self._database.query(TURN, WORDS_LOCK)
                if await ListedWord.all().count() >= MOST:
                    raise Conflict(f"There are {MOST} words, which is as many as there can be")
                await listed.save(force_create=True)
                await self._enter(ModerationAction.ADD_WORD, principal, listed)
        except UniqueError:
            raise Conflict("This word is listed there") from None
        except ForeignKeyError:
            raise NotFound("There is no such stream") from None
        await self.refresh()
        return _view(listed)

    async def change(self, principal: Principal, word_id: str, ask: ChangeWord) -> WordView:
        """Do something else about a word. Raises NotFound."""
        async with self._database.guard("words.change"), self._database.transaction():
            await self._database.query(TURN, WORDS_LOCK)
            listed = await _find(word_id)
            if listed.action != ask.action:
                listed.action = ask.action
                await listed.save(update_fields=["action"])
                await self._enter(ModerationAction.CHANGE_WORD, principal, listed)
        await self.refresh()
        return _view(listed)

    async def remove(self, principal: Principal, word_id: str) -> None:
        """List a word no more. Raises NotFound."""
        async with self._database.guard("words.remove"), self._database.transaction():
            await self._database.query(TURN, WORDS_LOCK)
            listed = await _find(word_id)
            await listed.delete()
            await self._enter(ModerationAction.REMOVE_WORD, principal, listed)
        await self.refresh()

    async def _enter(self, action: ModerationAction, principal: Principal, listed: ListedWord) -> None:
        details: dict[str, Any] = {"word": listed.word, "action": str(listed.action)}
        await self._record.record(action, principal, live_id=listed.stream_id, details=details)


async def _find(word_id: str) -> ListedWord:
    try:
        listed = await ListedWord.get_or_none(id=UUID(word_id))
    except ValueError:
        listed = None
    if listed is None:
        raise NotFound("There is no such word")
    return listed


def _view(listed: ListedWord) -> WordView:
    return WordView(
        id=str(listed.id),
        word=listed.word,
        action=str(listed.action),
        live_id=listed.stream_id,
        created_by=str(listed.created_by_id),  # type: ignore[attr-defined]
        created_at=listed.created_at,
    )
