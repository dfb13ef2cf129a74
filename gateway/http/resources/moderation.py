"""`/moderation`: the audit log, sanctions, and the word lists."""

from functools import partial

from gateway.errors import Code, codes
from gateway.http.routes import CONFLICT, ID, NOT_FOUND, READS, WRITES, Call, Lines, Route
from gateway.protocol.payloads.records import (
    AddWord,
    ChangeSanction,
    ChangeWord,
    FilteredText,
    LogEntry,
    LogPage,
    SampleText,
    SanctionPage,
    SanctionView,
    WordPage,
    WordView,
)
from gateway.protocol.queries import LogQuery, SanctionQuery, WordQuery
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.moderation.word_lists import WordLists


class Moderation:
    """The routes of moderation. Moderating a room happens on `/chat`."""

    def __init__(
        self, audit_log: AuditLog, word_lists: WordLists, sanctions: Sanctions, sanction_list: SanctionList
    ) -> None:
        self._audit_log = audit_log
        self._word_lists = word_lists
        self._sanctions = sanctions
        self._sanction_list = sanction_list

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin = partial(Route, who=ADMINS)
        sanction = f"/moderation/sanctions/{ID}"
        return [
            Route(
                "GET",
                "/moderation/sanctions",
                self.sanctions,
                query=SanctionQuery,
                answer=SanctionPage,
                who=MEMBERS,
                limit=READS,
            ),
            Route(
                "DELETE", sanction, self.lift, answer=SanctionView, who=MEMBERS, limit=WRITES, raises=codes(Code.MUTED)
            ),
            Route(
                "PATCH",
                sanction,
                self.change_sanction,
                body=ChangeSanction,
                answer=SanctionView,
                who=MEMBERS,
                limit=WRITES,
                raises=CONFLICT | {Code.MUTED},
            ),
            Route(
                "GET",
                "/moderation/log",
                self.log,
                query=LogQuery,
                answer=LogPage,
                lines=LogEntry,
                who=MEMBERS,
                limit=READS,
            ),
            admin("GET", "/moderation/words", self.words, query=WordQuery, answer=WordPage, limit=READS),
            admin(
                "POST",
                "/moderation/words",
                self.add_word,
                body=AddWord,
                answer=WordView,
                limit=WRITES,
                status=201,
                raises=NOT_FOUND | CONFLICT,
            ),
            admin(
                "POST",
                "/moderation/words/test",
                self.test_words,
                body=SampleText,
                answer=FilteredText,
                limit=READS,
                raises=codes(Code.INVALID_MESSAGE, Code.MESSAGE_TOO_LONG),
            ),
            admin("PATCH", f"/moderation/words/{ID}", self.change_word, body=ChangeWord, answer=WordView, limit=WRITES),
            admin("DELETE", f"/moderation/words/{ID}", self.remove_word, limit=WRITES),
        ]

    async def sanctions(self, call: Call[None, SanctionQuery]) -> SanctionPage:
        """List mutes and bans, newest first; hosts see those in the rooms of their own streams."""
        return await self._sanction_list.page(call.principal, call.query)

    async def lift(self, call: Call[None, None]) -> SanctionView:
        """Lift a mute or a ban; has no effect on one that has ended."""
        return await self._sanctions.lift(call.principal, call.path("id"))

    async def change_sanction(self, call: Call[ChangeSanction, None]) -> SanctionView:
        """Extend or shorten a mute or a ban in force."""
        return await self._sanctions.change(call.principal, call.path("id"), call.body)

    async def log(self, call: Call[None, LogQuery]) -> LogPage | Lines:
        """List entries of the audit log, newest first; hosts see those of their own streams."""
        if call.wants_lines(call.query.format):
            return Lines(await self._audit_log.export(call.principal, call.query), "log.jsonl")
        return await self._audit_log.page(call.principal, call.query)

    async def words(self, call: Call[None, WordQuery]) -> WordPage:
        """List listed words, newest first."""
        return await self._word_lists.page(call.query)

    async def add_word(self, call: Call[AddWord, None]) -> WordView:
        """Add a word to the list; all nodes apply it within a second."""
        return await self._word_lists.add(call.principal, call.body)

    async def test_words(self, call: Call[SampleText, None]) -> FilteredText:
        """Return what the listed words would do to a message."""
        return self._word_lists.test(call.body)

    async def change_word(self, call: Call[ChangeWord, None]) -> WordView:
        """Change the action of a listed word."""
        return await self._word_lists.change(call.principal, call.path("id"), call.body)

    async def remove_word(self, call: Call[None, None]) -> None:
        """Remove a word from the list."""
        await self._word_lists.remove(call.principal, call.path("id"))
