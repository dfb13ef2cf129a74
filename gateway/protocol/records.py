"""Payloads of moderation over HTTP: the moderation log, the word lists, and messages as administrators read them."""

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from gateway.protocol.chat import MessageText
from gateway.protocol.wire import Payload, Request, StreamKey, Timestamp

WordActionName = Literal["ALLOW", "MASK", "BLOCK"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class LogEntry(Payload):
    """Who did what, to whom, when and why. What `details` has depends on the action."""

    id: str
    action: str
    live_id: str | None
    actor_id: str
    subject_id: str | None
    message_id: str | None
    reason: str | None
    details: dict[str, Any]
    timestamp: Timestamp


class LogPage(Payload):
    """A page of the moderation log, newest first."""

    items: list[LogEntry]
    next_cursor: str | None


SanctionKindName = Literal["MUTE", "BAN"]


class SanctionView(Payload):
    """A mute or a ban, as moderators see it.

    `live_id` is null for one everywhere. `until` is when it ends or would have ended, with the
    year 9999 for one without an end. `active` is whether it holds now; `lifted_at` is null unless somebody lifted it.
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
    """A listed word, in the form in which texts are compared."""

    id: str
    word: str
    action: str
    live_id: str | None
    created_by: str
    created_at: Timestamp


class SampleText(Request):
    """`POST /moderation/words/test`: a message as if it were sent in one room, or without `live_id` in any other."""

    text: MessageText
    live_id: StreamKey | None = None


class FilteredText(Payload):
    """What would happen to the message: `text` is how it would be stored, null if it would be refused."""

    action: WordActionName
    text: str | None


class WordPage(Payload):
    """A page of listed words, newest first."""

    items: list[WordView]
    next_cursor: str | None


class StoredMessage(Payload):
    """A message as administrators read it; `message` is null for a deleted one, which has what else is null."""

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
