"""`/moderation`: the record of what moderators did, and the lists of words."""

from functools import partial

from gateway.http.routes import ID, READS, WRITES, Call, Route
from gateway.protocol.queries import LogQuery, SanctionQuery, WordQuery
from gateway.protocol.records import (
    AddWord,
    ChangeWord,
    FilteredText,
    LogPage,
    SampleText,
    SanctionPage,
    SanctionView,
    WordPage,
    WordView,
)
from gateway.security.principal import ADMINS, MEMBERS, MODERATORS
from gateway.services.moderation.audit_log import AuditLog
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.moderation.word_lists import WordLists


class Moderation:
    """The routes of moderation. What is done in a room is done on `/chat`."""

    def __init__(self, record: AuditLog, words: WordLists, sanctions: Sanctions, listed: SanctionList) -> None:
        self._sanctions = sanctions
        self._listed = listed
        self._record = record
        self._words = words

    def routes(self) -> list[Route]:
        """The table."""
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
            Route("DELETE", sanction, self.lift, answer=SanctionView, who=MEMBERS, limit=WRITES),
            Route("GET", "/moderation/log", self.log, query=LogQuery, answer=LogPage, who=MODERATORS, limit=READS),
            admin("GET", "/moderation/words", self.words, query=WordQuery, answer=WordPage, limit=READS),
            admin("POST", "/moderation/words", self.add_word, body=AddWord, answer=WordView, limit=WRITES, status=201),
            admin("POST", "/moderation/words/test", self.test_words, body=SampleText, answer=FilteredText, limit=READS),
            admin("PATCH", f"/moderation/words/{ID}", self.change_word, body=ChangeWord, answer=WordView, limit=WRITES),
            admin("DELETE", f"/moderation/words/{ID}", self.remove_word, limit=WRITES),
        ]

    async def sanctions(self, call: Call[None, SanctionQuery]) -> SanctionPage:
        """A page of mutes and bans, newest first; of hosts those in the rooms of their own streams."""
        return await self._listed.page(call.principal, call.query)

    async def lift(self, call: Call[None, None]) -> SanctionView:
        """Lift a mute or a ban; one that does not hold any more stays as it is."""
        return await self._sanctions.lift(call.principal, call.path("id"))

    async def log(self, call: Call[None, LogQuery]) -> LogPage:
        """A page of the moderation log, newest first."""
        return await self._record.page(call.query)

    async def words(self, call: Call[None, WordQuery]) -> WordPage:
        """A page of listed words, newest first."""
        return await self._words.page(call.query)

    async def add_word(self, call: Call[AddWord, None]) -> WordView:
        """List a word; on all nodes messages are looked through for it within a second."""
        return await self._words.add(call.principal, call.body)

    async def test_words(self, call: Call[SampleText, None]) -> FilteredText:
        """What the listed words would do to a message."""
        return self._words.test(call.body)

    async def change_word(self, call: Call[ChangeWord, None]) -> WordView:
        """Allow, mask or block a listed word."""
        return await self._words.change(call.principal, call.path("id"), call.body)

    async def remove_word(self, call: Call[None, None]) -> None:
        """List a word no more."""
        await self._words.remove(call.principal, call.path("id"))
