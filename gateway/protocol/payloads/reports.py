"""Payloads of reports: what viewers report about messages on `/chat`, and their reviews by staff over HTTP."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from gateway.protocol.payloads.chat import Message
from gateway.protocol.powers import RoleName
from gateway.protocol.wire import Identifier, Payload, Reason, Request, StreamKey, Timestamp

LONGEST_NOTE = 200  # code points

Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")]


# Why a message is reported: ABUSE is insults, threats and hate, PRIVACY the personal data of somebody.
ReportReason = Literal["SPAM", "ABUSE", "SEXUAL", "FRAUD", "PRIVACY", "OTHER"]
ReportStatus = Literal["OPEN", "KEPT", "DELETED"]


class Report(Request):
    """`chat:report`: report a message to the staff of the room. `note` adds to the reason."""

    live_id: StreamKey
    message_id: Identifier
    reason: ReportReason
    note: Note | None = None


class Reported(Payload):
    """The ack of `chat:report`. `duplicate`: the same person had reported the message before."""

    message_id: str
    duplicate: bool


class OpenReports(Payload):
    """`data` of `chat:reports`: the number of messages of a room that wait for a review.

    `hidden`: how many of these are hidden until then. `reports`: how many reports there are of them.
    """

    live_id: str
    open: int
    hidden: int
    reports: int


class HostedReports(Payload):
    """The open reports of a room, and the host of its stream. Not sent."""

    host_id: str
    reports: OpenReports


class ReportNote(Payload):
    """The note of one report, without the name of the person."""

    reason: ReportReason
    note: str
    timestamp: Timestamp


class ReportedMessageView(Payload):
    """A reported message, without the names of the people who reported it.

    `message` is null for a deleted message, not for a hidden one. `hidden`: reports have hidden the message until a
    review. `reports`: how many people reported it; `reasons`: how many gave which reason.
    """

    message_id: str
    live_id: str
    seq: int
    user_id: str
    username: str
    role: RoleName
    message: str | None
    timestamp: Timestamp
    status: ReportStatus
    hidden: bool
    reports: int
    reasons: dict[ReportReason, int]
    first_reported_at: Timestamp
    last_reported_at: Timestamp
    reviewed_by: str | None
    reviewed_by_name: str | None
    reviewed_at: Timestamp | None


class ReportedMessagePage(Payload):
    """A page of reported messages, newest first by the first report; `open` counts all that wait for a review."""

    items: list[ReportedMessageView]
    next_cursor: str | None
    open: int


class ReportedMessageDetail(ReportedMessageView):
    """A reported message with its last `notes`, and the messages shown around it, oldest first."""

    notes: list[ReportNote]
    before: list[Message]
    after: list[Message]


class ReviewReports(Request):
    """`POST /moderation/reports/{id}/review`: keep a message, which shows it again if it is hidden, or delete it."""

    decision: Literal["KEEP", "DELETE"]
    reason: Reason | None = None
