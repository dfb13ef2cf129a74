"""Stores and reads chat messages in PostgreSQL. Called by the chat service, within `database.guard`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from gateway.clocks import now
from gateway.errors import Code, GatewayError, NotFound, UnknownStream
from gateway.keys import chat_room, room_log_name
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import HISTORY, HistoryMessage, Message, SendMessage
from gateway.protocol.wire import Cursor
from gateway.realtime.logged import LogStamp
from gateway.security.principal import Principal
from gateway.services.chat.standing_errors import standing_error
from gateway.services.rooms.log import REPLAY

ANNOUNCEMENT = "announcement-"  # the id of an announcement in the history, before its place in the log
_HEAD = f'{{"type":"{events.CHAT_MESSAGE}","data":'  # of the payload of a message
MAX_DIGITS = 19  # a place has fewer digits, so that it fits into bigint

# One round trip and one transaction for any number of messages: see migrations/sql/. Of a message that is stored now
# the node has id, time and text already.
INSERT = """
    SELECT
        m.place, m.fresh, m.seq, m.epoch, m.at, m.refusal, m.until, m.wait_ms,
        CASE WHEN NOT m.fresh THEN m.id END AS id,
        CASE WHEN NOT m.fresh THEN m.created_at END AS created_at,
        CASE WHEN NOT m.fresh THEN m.text END AS text,
        (SELECT s.started_at FROM streams s WHERE s.key = ($11::text[])[m.place]) AS began
    FROM store_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) m
"""

SENT = "SELECT * FROM sent_message($1, $2, $3)"

# One statement, so that the messages are consistent with the cursor. Announcements are only in the log.
LATEST = """
    SELECT r.epoch, r.seq AS head, m.* FROM rooms r LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT id::text, seq, stream_key, sender_id, username, role, text, client_message_id, created_at,
                NULL AS kind
            FROM messages WHERE stream_key = r.stream_key AND deleted_at IS NULL ORDER BY seq DESC LIMIT $2
        ) sent
        UNION ALL
        SELECT $4 || e.seq, e.seq, r.stream_key, e.payload #>> '{data,userId}', e.payload #>> '{data,username}',
            e.payload #>> '{data,role}', e.payload #>> '{data,message}', NULL,
            (e.payload #>> '{data,timestamp}')::timestamptz, 'announcement'
        FROM room_events e WHERE e.room = r.name AND e.seq > r.seq - $3 AND e.event = $5
        ORDER BY seq DESC LIMIT $2
    ) m ON true
    WHERE r.name = $1 ORDER BY m.seq
"""

PAGE = """
    SELECT * FROM messages WHERE stream_key = $1 AND deleted_at IS NULL AND seq < $2 ORDER BY seq DESC LIMIT $3
"""

PLACE = "SELECT seq, stream_key FROM messages WHERE id = $1"  # no other condition, so that the primary key is used


class Placed(NamedTuple):
    """A stored message. `fresh`: stored by this call, else it is a repetition.

    `text` is the stored text, for a deleted message as long as it is retained, else None. `stamp` is the stamp of its
    event, and `payload` the event as JSON without the stamp; both are None if the message is not fresh.
    """

    id: str
    seq: int
    timestamp: datetime
    text: str | None
    fresh: bool
    stamp: LogStamp | None
    payload: str | None = None


class Messages:
    """Stores and reads messages. `live_id` is the stream key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def draft(self, principal: Principal, request: SendMessage, text: str) -> Message:
        """Return a message without a place; `text` is the text to store."""
        return Message(
            id=str(uuid4()),
            seq=0,
            live_id=request.live_id,
            user_id=principal.user_id,
            username=principal.username,
            role=principal.role,
            message=text,
            client_message_id=request.client_message_id,
            timestamp=now(),
        )

    async def insert(self, drafts: Sequence[Message]) -> list[Placed | GatewayError]:
        """Store messages in their rooms and room logs, in the given order.

        Return for each draft the stored message, NotFound if there is no such room, or the reason why its sender may
        not send there now. A client message id that the sender has used in the room before, or in an earlier draft, is
        not stored again and gets the first message, regardless of the sender's standing now.
        """
        payloads = [payload_of(draft) for draft in drafts]
        rows = await self._database.query(
            INSERT,
            events.CHAT_MESSAGE,
            [room_log_name(chat_room(draft.live_id)) for draft in drafts],
            [draft.id for draft in drafts],
            [draft.user_id for draft in drafts],
            [draft.username for draft in drafts],
            [draft.role for draft in drafts],
            [draft.message for draft in drafts],
            [draft.client_message_id for draft in drafts],
            [draft.timestamp for draft in drafts],
            payloads,
            [draft.live_id for draft in drafts],
        )
        answers: list[Placed | GatewayError | None] = [None] * len(drafts)
        for row in rows:
            place = row["place"] - 1
            if row["refusal"]:
                answers[place] = _refused(row)
            elif row["fresh"]:
                answers[place] = _stored(row, drafts[place], payloads[place])
            else:
                answers[place] = _repeated(row)
        return [answer or UnknownStream() for answer in answers]

    async def sent(self, live_id: str, sender_id: str, client_message_id: str) -> Placed | None:
        """Return the stored message of a sender with this client message id, None if there is none."""
        rows = await self._database.query(SENT, live_id, sender_id, client_message_id)
        return _repeated(rows[0]) if rows else None

    async def latest(self, live_id: str) -> tuple[Cursor, list[HistoryMessage]]:
        """Return the newest messages of a room, oldest first, and the cursor of its log."""
        room = room_log_name(chat_room(live_id))
        rows = await self._database.query(LATEST, room, HISTORY, REPLAY, ANNOUNCEMENT, events.CHAT_ANNOUNCEMENT)
        if not rows:
            raise UnknownStream
        cursor = Cursor(epoch=str(rows[0]["epoch"]), seq=rows[0]["head"])
        return cursor, [HistoryMessage(**_fields(row), kind=row["kind"]) for row in rows if row["id"] is not None]

    async def page(self, live_id: str, before: str | None, limit: int) -> list[Message]:
        """Return the newest messages before a message id, oldest first. Raises NotFound for an unknown id."""
        seq = 2**63 - 1 if before is None else await self._place(live_id, before)
        return [message_of(row) for row in reversed(await self._database.query(PAGE, live_id, seq, limit))]

    async def _place(self, live_id: str, message_id: str) -> int:
        place = message_id.removeprefix(ANNOUNCEMENT)
        if place != message_id and place.isascii() and place.isdecimal() and len(place) < MAX_DIGITS:
            return int(place)  # the oldest entry of a client's history may be an announcement
        for row in await self._database.query(PLACE, uuid_of(message_id)):
            if row["stream_key"] == live_id:
                return int(row["seq"])
        raise NotFound("There is no such message")


def payload_of(message: Message) -> str:
    """Return the `chat:message` payload of a message, `{type, data}`, as JSON. A model around it would cost 1 µs."""
    return f"{_HEAD}{message.__pydantic_serializer__.to_json(message).decode()}}}"


def uuid_of(message_id: str) -> UUID:
    """Return a message id as UUID. Raises NotFound for a malformed one."""
    try:
        return UUID(message_id)
    except ValueError:
        raise NotFound("There is no such message") from None


def _stored(row: dict[str, Any], draft: Message, payload: str) -> Placed:
    """Return a message that was stored now, from its draft, and a row of `store_messages`; `payload` has no place."""
    seq = row["seq"]
    # The log and the room share one encoding. Quotes within texts are escaped, so the match is the field.
    placed = payload.replace('"seq":0', f'"seq":{seq}', 1)
    return Placed(draft.id, seq, draft.timestamp, draft.message, True, LogStamp.of(row), placed)


def _repeated(row: dict[str, Any]) -> Placed:
    """Return a message that was stored before, from a row of `store_messages` or `sent_message`."""
    return Placed(str(row["id"]), row["seq"], row["created_at"], row["text"], False, None)


def _refused(row: dict[str, Any]) -> GatewayError:
    return standing_error(Code(row["refusal"]), until=row["until"], wait_ms=row["wait_ms"])


def message_of(row: dict[str, Any]) -> Message:
    """Return a row of `messages` as payload."""
    return Message(**_fields(row))


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "seq": row["seq"],
        "live_id": row["stream_key"],
        "user_id": row["sender_id"],
        "username": row["username"],
        "role": row["role"],
        "message": row["text"],
        "client_message_id": row["client_message_id"],
        "timestamp": row["created_at"],
    }
