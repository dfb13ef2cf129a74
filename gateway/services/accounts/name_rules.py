"""Checks user names: no listed words, and no lookalikes of staff names. Called by accounts."""

from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

import regex

from gateway.errors import InvalidPayload
from gateway.postgres.database import Database
from gateway.protocol.text import fold, latin_lookalikes
from gateway.security.principal import Role
from gateway.services.chat.word_filter import WordFilter, normal
from gateway.services.moderation.word_lists import WordLists
from models.main.moderation import WordAction

LISTED = "This name has a word that is not allowed here"
STAFF = "This name looks like one of the staff"

STAFF_NAMES = "SELECT username FROM users WHERE role <> 'USER' AND id IS DISTINCT FROM $1"

_OTHER_THAN_LETTERS = regex.compile(r"[^\p{L}\p{N}]+")


class NameRules:
    """Compares names by their appearance: with NFKC, folded case, and look-alikes of other scripts replaced (UTS 39).

    Only staff may use a name that contains one of the words `reserved`. The names of staff accounts are compared as a
    whole. The payload has checked before that a name is visible.
    """

    def __init__(self, database: Database, words: WordLists, reserved: Iterable[str]) -> None:
        self._database = database
        self._words = words
        self._reserved = {squeezed(word) for word in reserved}
        self._reserved_words = WordFilter({normal(word): WordAction.BLOCK for word in reserved})

    async def check(self, name: str, *, owner: UUID | None = None, role: Role = Role.USER) -> None:
        """Check a new name of `owner`, or of a new account. Raises InvalidPayload, and Unavailable.

        Nobody may use the name of another member of the staff.
        """
        if not self._words.allows(name):
            raise _refused(LISTED)
        if role is Role.USER and self._is_reserved(name):
            raise _refused(STAFF)
        async with self._database.guard("names.staff"):
            rows = await self._database.query(STAFF_NAMES, owner)
        if squeezed(name) in {squeezed(row["username"]) for row in rows}:
            raise _refused(STAFF)

    def _is_reserved(self, name: str) -> bool:
        bare = squeezed(name.strip("0123456789 _.-"))
        return bare in self._reserved or self._reserved_words.apply(_in_latin(name)) is None


@lru_cache(4096)
def squeezed(name: str) -> str:
    """Return a form that is equal for names that look alike: letters and digits, with look-alikes unified."""
    letters = _OTHER_THAN_LETTERS.sub("", fold(_in_latin(name)))
    return letters.translate(_SAME).replace("rn", "m").replace("vv", "w")


def _in_latin(name: str) -> str:
    return name.translate(_LATIN)


def _refused(problem: str) -> InvalidPayload:
    return InvalidPayload(problem, details=[{"field": "username", "problem": problem}])


_LATIN = latin_lookalikes(r"[[\p{L}\p{N}]--[\p{Han}\p{Hangul}\p{Hiragana}\p{Katakana}]]")
_SAME = str.maketrans("1l0", "iio")  # a capital I looks like l and 1, and case is folded
