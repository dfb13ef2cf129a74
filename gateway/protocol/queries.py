"""Query parameters of the HTTP API. Values are converted from text, unknown names are refused."""

from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from gateway.protocol.payloads.analytics import Bucket
from gateway.protocol.payloads.catalog import ProductStatus
from gateway.protocol.payloads.jobs import JobState
from gateway.protocol.payloads.orders import OrderStatus
from gateway.protocol.payloads.records import SanctionKindName, WordActionName
from gateway.protocol.payloads.reports import ReportReason, ReportStatus
from gateway.protocol.payloads.streaming import StreamStatus
from gateway.protocol.text import is_visible
from gateway.protocol.wire import Identifier, Moment, StreamKey
from models.main.moderation import ModerationAction

MAX_PAGE = 100  # items; a page is one answer that a phone renders

Format = Literal["json", "jsonl"]
PageCursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_=-]{1,200}$")]


def _visible_or_none(text: str) -> str | None:
    return text if is_visible(text) else None


# A search without visible characters counts as missing, like an empty parameter.
Search = Annotated[
    str,
    StringConstraints(max_length=100, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$"),
    AfterValidator(_visible_or_none),
]


_time_zones = cache(available_timezones)  # it scans folders


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError('not a time zone; write it like "Asia/Seoul"')
    return name


class Query(BaseModel):
    """The query of a GET."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=False)


class Page(Query):
    """The part of a list to return: `cursor` is the `nextCursor` of the previous page."""

    cursor: PageCursor | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20


class StreamQuery(Page):
    """`GET /streams`, filtered by status, host, or text in the title."""

    status: StreamStatus | None = None
    host_id: UUID | None = None
    search: Search | None = None


class StreamListQuery(Page):
    """`GET /streams/active` and `/streams/upcoming`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE


class UserQuery(Page):
    """`GET /users`, filtered by role, status, or text in the name or e-mail address."""

    role: Literal["USER", "HOST", "MODERATOR", "ADMIN"] | None = None
    status: Literal["ACTIVE", "SUSPENDED"] | None = None
    search: Search | None = None


class ProductQuery(Page):
    """`GET /products`, filtered by stream, status, or text in the name or description."""

    stream_key: StreamKey | None = None
    status: ProductStatus | None = None
    search: Search | None = None


class WordQuery(Page):
    """`GET /moderation/words`, filtered by room, action, or text in the word."""

    live_id: StreamKey | None = None
    action: WordActionName | None = None
    search: Search | None = None


class SanctionQuery(Page):
    """`GET /moderation/sanctions`, filtered by user, room, kind, or whether they are in force."""

    user_id: Identifier | None = None
    live_id: StreamKey | None = None
    kind: SanctionKindName | None = None
    active: bool | None = None


class ReportQuery(Page):
    """`GET /moderation/reports`, filtered by room, status, reason, author, or whether they are hidden."""

    live_id: StreamKey | None = None
    status: ReportStatus | None = None
    reason: ReportReason | None = None
    user_id: Identifier | None = None
    hidden: bool | None = None


class JobQuery(Page):
    """`GET /jobs`, filtered by status or stream."""

    status: JobState | None = None
    stream_key: StreamKey | None = None


class NotificationQuery(Page):
    """`GET /notifications`; `unread` leaves out those marked as read."""

    unread: bool = False


class LogQuery(Page):
    """`GET /moderation/log`, filtered by room, actor, subject, action, or time (`from` inclusive, `to` exclusive).

    `format=jsonl` answers all entries as lines of JSON.
    """

    live_id: StreamKey | None = None
    actor_id: UUID | None = None
    subject_id: Identifier | None = None
    action: ModerationAction | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    format: Format = "json"


class MessageQuery(Page):
    """`GET /streams/{key}/messages`, filtered by sender, time (`from` inclusive, `to` exclusive) or words.

    `deleted` lists only deleted messages; `format=jsonl` answers all messages as lines of JSON.
    """

    user_id: Identifier | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    deleted: bool = False
    search: Search | None = None
    format: Format = "json"


class MemberQuery(Page):
    """`GET /streams/{key}/members`, filtered by text in the name."""

    search: Search | None = None


class ConnectionQuery(Query):
    """`GET /cluster/connections` of a user or guest: `userId`, or `user`."""

    user_id: Annotated[Identifier, Field(validation_alias=AliasChoices("userId", "user"))]


class OrderQuery(Page):
    """`GET /orders`, filtered by status, time (`from` inclusive, `to` exclusive), stream and user.

    Administrators get all orders, others their own. With `streamKey`, or `scope=sold`, a host gets the orders of their
    own streams. `format=jsonl` answers all orders as lines of JSON.
    """

    user_id: Identifier | None = None
    status: OrderStatus | None = None
    stream_key: StreamKey | None = None
    scope: Literal["own", "sold"] | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    format: Format = "json"


class AnalyticsQuery(Query):
    """`GET /analytics/…`: a time (`from` inclusive, `to` exclusive), counted by `bucket`, in days of `timeZone`."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    bucket: Bucket | None = None
    time_zone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)] = "UTC"
