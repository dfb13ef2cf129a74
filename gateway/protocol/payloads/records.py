"""Payloads of moderation over HTTP: the audit log, sanctions, word lists, and stored messages."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gateway.protocol.payloads.chat import MessageText
from gateway.protocol.payloads.moderation import LONGEST
from gateway.protocol.wire import Payload, Reason, Request, StreamKey, Timestamp

WordActionName = Literal["ALLOW", "MASK", "BLOCK"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class LogEntry(Payload):
    """An entry of the audit log. The content of `details` depends on the action."""

    id: str
    action: str
    live_id: str | None
    actor_id: str
    actor_name: str | None
    subject_id: str | None
    subject_name: str | None
    message_id: str | None
    reason: str | None
    details: dict[str, Any]
    timestamp: Timestamp


class LogPage(Payload):
    """A page of the audit log, newest first."""

    items: list[LogEntry]
    next_cursor: str | None


SanctionKindName = Literal["MUTE", "BAN"]


class SanctionView(Payload):
    """A mute or a ban.

    `live_id` is null for one everywhere. `until` is in the year 9999 for one without an end. `active`: whether it is in
    force now. `lifted_at` is null unless somebody lifted it.
    """

    id: str
    kind: SanctionKindName
    live_id: str | None
    user_id: str
    username: str | None
    reason: str | None
    imposed_by: str
    imposed_by_name: str
    created_at: Timestamp
    until: Timestamp
    active: bool
    lifted_at: Timestamp | None
    lifted_by: str | None
    lifted_by_name: str | None


class ChangeSanction(Request):
    """`PATCH /moderation/sanctions/{id}`: the sanction ends after `seconds` from now, or never if null."""

    seconds: Annotated[int, Field(ge=1, le=LONGEST)] | None
    reason: Reason | None = None


class SanctionPage(Payload):
    """A page of sanctions, newest first; `next_cursor` is null at the end."""

    items: list[SanctionView]
    next_cursor: str | None


class AddWord(Request):
    """`POST /moderation/words`: a word for one room, or without `live_id` for all."""

    word: Word
    action: WordActionName
    live_id: StreamKey | None = None


class ChangeWord(Request):
    """`PATCH /moderation/words/{id}`."""

    action: WordActionName


class WordView(Payload):
    """A listed word, in the folded form that is compared with messages."""

    id: str
    word: str
    action: str
    live_id: str | None
    created_by: str
    created_at: Timestamp


class SampleText(Request):
    """`POST /moderation/words/test`: a text to check with the words of a room, or without `live_id` of all rooms."""

    text: MessageText
    live_id: StreamKey | None = None


class FilteredText(Payload):
    """The result of the check: `text` is what would be stored, null if the message would be refused."""

    action: WordActionName
    text: str | None


class WordPage(Payload):
    """A page of listed words, newest first."""

    items: list[WordView]
    next_cursor: str | None


class StoredMessage(Payload):
    """A message. `message` is null for a deleted one; the fields of the deletion are null for others."""

    id: str
    seq: int
    live_id: str
    user_id: str
    username: str
    role: str
    message: str | None
    client_message_id: str | None
    timestamp: Timestamp
    deleted_at: Timestamp | None
    deleted_by: str | None
    reason: str | None


class StoredMessagePage(Payload):
    """A page of the messages of a stream, newest first."""

    items: list[StoredMessage]
    next_cursor: str | None
