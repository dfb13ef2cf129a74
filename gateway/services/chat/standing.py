"""What somebody may do in a chat room now: the answer of the database function `chat_standing`.

Asked by the chat service for who joins, by the permissions for who moderates, and by
`store_messages` for who speaks.
"""

from datetime import datetime
from typing import NamedTuple

from gateway.errors import Code, NotFound
from gateway.postgres.database import Database
from gateway.protocol.chat import RoomSettings
from gateway.protocol.moderation import until
from gateway.security.principal import Principal
from gateway.services.chat.refusals import refusal

STANDING = "SELECT * FROM chat_standing($1, $2, $3, statement_timestamp())"


class Standing(NamedTuple):
    """Who they are in a room, and what holds for them there.

    `refused` is why they may not speak: BANNED, MUTED, FORBIDDEN (a guest), ROOM_FROZEN or SLOW_MODE; `ends_at` is when
    a ban or a mute ends, None for never.
    """

    settings: RoomSettings
    hosting: bool
    refused: Code | None
    ends_at: datetime | None

    @property
    def muted_until(self) -> datetime | None:
        """When a mute ends, FOREVER if never; None without one."""
        return until(self.ends_at) if self.refused is Code.MUTED else None

    @property
    def can_send(self) -> bool:
        """Whether they may speak, perhaps after a pause."""
        return self.refused in (None, Code.SLOW_MODE)

    def require(self, *codes: Code) -> None:
        """Raises the refusal if it is one of these."""
        if self.refused in codes:
            raise refusal(self.refused, until=self.ends_at)


async def read(database: Database, principal: Principal, live_id: str) -> Standing:
    """How somebody stands in the room of a stream, within `database.guard`. Raises NotFound if there is none."""
    for row in await database.query(STANDING, live_id, principal.user_id, principal.role):
        settings = RoomSettings(
            slow_mode_seconds=row["slow_mode_seconds"], frozen=row["frozen"], guests_allowed=row["guests_allowed"]
        )
        refused = None if row["refusal"] is None else Code(row["refusal"])
        return Standing(settings, row["hosting"], refused, row["until"])
    raise NotFound("There is no such stream")
