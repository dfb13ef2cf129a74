"""The lists of words with which messages and names are checked. Called by chat and accounts, changed over HTTP."""

import asyncio
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import Field
from tortoise.expressions import Q

from gateway.concurrency.periodic import Periodic
from gateway.errors import Code, Conflict, GatewayError, InvalidPayload, NotFound, Unavailable, UnknownStream
from gateway.keys import WORDS_LOCK
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import ForeignKeyError, UniqueError
from gateway.protocol import cursors
from gateway.protocol.ids import uuid_or_missing
from gateway.protocol.payloads.records import AddWord, ChangeWord, FilteredText, SampleText, WordPage, WordView
from gateway.protocol.queries import WordQuery
from gateway.protocol.wire import Moment
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat import word_filter
from models.main.moderation import ListedWord, ModerationAction, WordAction

CHECK = 0.5  # s between two checks for changes: all nodes apply one within a second, without a notice that may be lost
MAX_WORDS = 10_000  # in all lists; each node has all in memory, and reads all after a change
REFUSAL = "The message has a word that is not allowed here"

ACTIONS = (ModerationAction.ADD_WORD, ModerationAction.CHANGE_WORD, ModerationAction.REMOVE_WORD)

# Changes are serialised, so that the newest entry of the audit log is the version of the lists.
LOCK = "SELECT pg_advisory_xact_lock($1)"
VERSION = "SELECT max(id) AS version FROM moderation_log WHERE action = ANY ($1)"
ALL = "SELECT stream_key, word, action FROM listed_words"

Id = Annotated[UUID, Field(strict=False)]


class WordLists:
    """The words of each room and of all rooms, compiled on this node.

    A change applies on this node when the call returns, and on all nodes within a second. While the database is away,
    the last lists apply.
    """

    def __init__(self, database: Database, audit_log: AuditLog, metrics: Metrics) -> None:
        self._database = database
        self._audit_log = audit_log
        self._metrics = metrics
        self._version: int | None = -1  # of no list: the first refresh reads the lists
        self._general, self._rooms = word_filter.compiled([])
        self._refreshing = asyncio.Lock()  # or older lists could replace newer ones
        self._refresher = Periodic("word-lists", CHECK, self.refresh, Unavailable)

    async def start(self) -> None:
        """Read the lists, and start to check for changes. Raises Unavailable."""
        await self.refresh()
        self._refresher.start()

    async def close(self) -> None:
        """Stop checking for changes."""
        await self._refresher.close()

    async def refresh(self) -> None:
        """Read the lists if they have changed. Raises Unavailable."""
        async with self._refreshing:
            async with self._database.guard("words.refresh"):
                version = (await self._database.query(VERSION, ACTIONS))[0]["version"]
                if version == self._version:
                    return
                rows = await self._database.query(ALL)
            words = [(row["stream_key"], row["word"], WordAction(row["action"])) for row in rows]
            # In a thread: 10,000 words take 50 ms, which is too long for the event loop.
            self._general, self._rooms = await asyncio.to_thread(word_filter.compiled, words)
            self._version = version

    # --- texts --------------------------------------------------------------------------------------------------------

    def check(self, live_id: str, text: str) -> str:
        """Return a message with listed words masked. Raises INVALID_MESSAGE if a word is blocked."""
        said = self._rooms.get(live_id, self._general).apply(text)
        if said is None:
            self._metrics.words.labels("block").inc()
            raise GatewayError(Code.INVALID_MESSAGE, REFUSAL)
        if said != text:
            self._metrics.words.labels("mask").inc()
        return said

    def test(self, request: SampleText) -> FilteredText:
        """Return what `check` would do with a message. The metrics do not count it."""
        words = self._general if request.live_id is None else self._rooms.get(request.live_id, self._general)
        said = words.apply(request.text)
        if said is None:
            return FilteredText(action="BLOCK", text=None)
        return FilteredText(action="ALLOW" if said == request.text else "MASK", text=said)

    def allows(self, name: str) -> bool:
        """Return whether a name has no word that is masked or blocked in all rooms."""
        return self._general.apply(name) == name

    # --- the lists ----------------------------------------------------------------------------------------------------

    async def page(self, request: WordQuery) -> WordPage:
        """Return a page of listed words, newest first."""
        found = ListedWord.all()
        if request.live_id is not None:
            found = found.filter(stream_id=request.live_id)
        if request.action is not None:
            found = found.filter(action=request.action)
        if request.search is not None:
            found = found.filter(word__contains=word_filter.normal(request.search))
        if request.cursor is not None:
            moment, last = cursors.decode(request.cursor, tuple[Moment, Id])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("words.page"):
            words = await found.order_by("-created_at", "-id").limit(request.limit + 1)
        items, cursor = cursors.page(words, request.limit, lambda word: (word.created_at, word.id))
        return WordPage(items=[_view(word) for word in items], next_cursor=cursor)

    async def add(self, principal: Principal, request: AddWord) -> WordView:
        """List a word. Raises NotFound for an unknown room, Conflict if it is listed there or there are too many."""
        word = word_filter.normal(request.word)
        if not word:
            raise InvalidPayload("Nothing of this word can be found in a text")
        listed = ListedWord(
            id=uuid4(),
            stream_id=request.live_id,
            word=word[:100],
            action=request.action,
            created_by_id=UUID(principal.user_id),
        )
        try:
            async with self._database.guard("words.add"), self._database.transaction():
                await self._database.query(LOCK, WORDS_LOCK)
                if await ListedWord.all().count() >= MAX_WORDS:
                    raise Conflict(f"There are {MAX_WORDS} listed words, the most that are allowed")
                await listed.save(force_create=True)
                await self._record_change(ModerationAction.ADD_WORD, principal, listed)
        except UniqueError:
            raise Conflict("This word is listed there") from None
        except ForeignKeyError:
            raise UnknownStream from None
        await self.refresh()
        return _view(listed)

    async def change(self, principal: Principal, word_id: str, request: ChangeWord) -> WordView:
        """Change the action of a word. Raises NotFound."""
        async with self._database.guard("words.change"), self._database.transaction():
            await self._database.query(LOCK, WORDS_LOCK)
            listed = await _find(word_id)
            if listed.action != request.action:
                listed.action = request.action
                await listed.save(update_fields=["action"])
                await self._record_change(ModerationAction.CHANGE_WORD, principal, listed)
        await self.refresh()
        return _view(listed)

    async def remove(self, principal: Principal, word_id: str) -> None:
        """Take a word off its list. Raises NotFound."""
        async with self._database.guard("words.remove"), self._database.transaction():
            await self._database.query(LOCK, WORDS_LOCK)
            listed = await _find(word_id)
            await listed.delete()
            await self._record_change(ModerationAction.REMOVE_WORD, principal, listed)
        await self.refresh()

    async def _record_change(self, action: ModerationAction, principal: Principal, listed: ListedWord) -> None:
        details: dict[str, Any] = {"word": listed.word, "action": str(listed.action)}
        await self._audit_log.record(action, principal, live_id=listed.stream_id, details=details)


async def _find(word_id: str) -> ListedWord:
    listed = await ListedWord.get_or_none(id=uuid_or_missing(word_id, "word"))
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
