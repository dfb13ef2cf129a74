"""Standings: what people may do in a chat room now, as the database function `chat_standing` decides.

The chat service reads them for joins, the permissions for moderators, and the delivery of `chat:you` for all sockets of
a room. The function `store_messages` calls `chat_standing` for senders.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.concurrency.batcher import Batcher
from gateway.errors import Code, NotFound, Unavailable, UnknownStream
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import Rights, RoomSettings
from gateway.protocol.payloads.moderation import until
from gateway.security.powers import listed, powers
from gateway.security.principal import MODERATORS, Principal
from gateway.services.chat.standing_errors import standing_error

BATCH = 200  # standings in one query
WAITING = 10_000  # requests without an answer; further ones are refused with Unavailable

STANDING = "SELECT * FROM chat_standing($1, $2, $3, statement_timestamp())"

# A SELECT hides the length of the arrays from PostgreSQL. For short arrays it would plan each query, which takes longer
# than running it.
STANDINGS = """
    SELECT g.ordinal, s.* FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::text[]))
        WITH ORDINALITY AS g (room, sender, role, ordinal)
    CROSS JOIN LATERAL chat_standing(g.room, g.sender, g.role, statement_timestamp()) s
"""


class Standing(NamedTuple):
    """What a person may do in a room.

    `refused`: why they may not send: BANNED, MUTED, FORBIDDEN (a guest), ROOM_FROZEN or SLOW_MODE; None if they may.
    `ends_at`: the end of a ban or a mute, None for never.
    """

    settings: RoomSettings
    hosting: bool
    refused: Code | None
    ends_at: datetime | None

    @property
    def muted_until(self) -> datetime | None:
        """The end of a mute, FOREVER for one without an end; None without a mute."""
        return until(self.ends_at) if self.refused is Code.MUTED else None

    @property
    def can_send(self) -> bool:
        """Whether they may send messages, also if slow mode makes them wait."""
        return self.refused in (None, Code.SLOW_MODE)

    def rights(self, principal: Principal) -> Rights:
        """Return the rights for clients."""
        return Rights(
            can_send=self.can_send,
            muted_until=self.muted_until,
            moderator=self.hosting or principal.role in MODERATORS,
            powers=listed(powers(principal.role, hosting=self.hosting)),
        )

    def require(self, *codes: Code) -> None:
        """Raise the error if its code is one of these."""
        if self.refused in codes:
            raise standing_error(self.refused, until=self.ends_at)


async def read(database: Database, principal: Principal, live_id: str) -> Standing:
    """Return the standing of a person in the room of a stream, as the enclosing transaction sees it.

    Call it within `database.guard`. Raises NotFound.
    """
    for row in await database.query(STANDING, live_id, principal.user_id, principal.role):
        return _standing(row)
    raise UnknownStream


class Standings:
    """Reads the standings of concurrent requests in one query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads: Batcher[tuple[str, Principal], Standing] = Batcher(
            "standings", self._read_all, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def read(self, principal: Principal, live_id: str) -> Standing:
        """Return the standing of a person in a stream's room, read after this call. Raises NotFound, Unavailable."""
        return await self._reads.call((live_id, principal))

    async def rights(self, asks: Sequence[tuple[str, Principal]]) -> list[Rights | None]:
        """Return the rights of each person in the room of a stream; None for an unknown room. Raises Unavailable."""
        found = await self._read_all(asks)
        return [
            None if isinstance(standing, NotFound) else standing.rights(principal)
            for standing, (_, principal) in zip(found, asks, strict=True)
        ]

    async def close(self) -> None:
        """Refuse further reads of single standings."""
        await self._reads.close()

    async def _read_all(self, asks: Sequence[tuple[str, Principal]]) -> list[Standing | NotFound]:
        rooms = [live_id for live_id, _ in asks]
        people = [principal for _, principal in asks]
        async with self._database.guard("chat.standings"):
            rows = await self._database.query(
                STANDINGS, rooms, [person.user_id for person in people], [person.role for person in people]
            )
        found = {row["ordinal"]: _standing(row) for row in rows}
        return [found.get(ordinal) or UnknownStream() for ordinal in range(1, len(asks) + 1)]


def _standing(row: dict[str, Any]) -> Standing:
    settings = RoomSettings(
        slow_mode_seconds=row["slow_mode_seconds"], frozen=row["frozen"], guests_allowed=row["guests_allowed"]
    )
    refused = None if row["refusal"] is None else Code(row["refusal"])
    return Standing(settings, row["hosting"], refused, row["until"])
