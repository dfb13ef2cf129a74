"""What may stand behind the `?` of a GET: values arrive as text, unknown names are refused. Parsed by the HTTP edge."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from gateway.protocol.catalog import ProductStatus
from gateway.protocol.jobs import JobState
from gateway.protocol.orders import OrderStatus
from gateway.protocol.records import SanctionKindName, WordActionName
from gateway.protocol.streaming import StreamStatus
from gateway.protocol.wire import Identifier, Moment, StreamKey
from models.main.moderation import ModerationAction

MAX_PAGE = 100  # items; a page is one answer that a phone renders

PageCursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_=-]{1,200}$")]
Search = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$")
]


class Query(BaseModel):
    """The query of a GET."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=False)


class Page(Query):
    """Which part of a list: `cursor` is the `nextCursor` of the page before."""

    cursor: PageCursor | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20


class StreamQuery(Page):
    """`GET /streams`: of one status, of one host, or with a text in the title."""

    status: StreamStatus | None = None
    host_id: UUID | None = None
    search: Search | None = None


class StreamListQuery(Page):
    """`GET /streams/active` and `/streams/upcoming`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE


class UserQuery(Page):
    """`GET /users`: of one role, of one status, or with a text in the name or the e-mail address."""

    role: Literal["USER", "HOST", "MODERATOR", "ADMIN"] | None = None
    status: Literal["ACTIVE", "SUSPENDED"] | None = None
    search: Search | None = None


class ProductQuery(Page):
    """`GET /products`: of one stream, of one status, or with a text in the name or the description."""

    stream_key: StreamKey | None = None
    status: ProductStatus | None = None
    search: Search | None = None


class WordQuery(Page):
    """`GET /moderation/words`: of one room, of one action, or with a text in them."""

    live_id: StreamKey | None = None
    action: WordActionName | None = None
    search: Search | None = None


class SanctionQuery(Page):
    """`GET /moderation/sanctions`: of one person, of one room, of one kind, or only those that hold (or do not)."""

    user_id: Identifier | None = None
    live_id: StreamKey | None = None
    kind: SanctionKindName | None = None
    active: bool | None = None


class JobQuery(Page):
    """`GET /jobs`: of one status, or of one stream."""

    status: JobState | None = None
    stream_key: StreamKey | None = None


class NotificationQuery(Page):
    """`GET /notifications`: with `unread` only those that were not marked as read."""

    unread: bool = False


class LogQuery(Page):
    """`GET /moderation/log`: of one room, by or about one person, of one action, from a moment on, before another."""

    live_id: StreamKey | None = None
    actor_id: UUID | None = None
    subject_id: Identifier | None = None
    action: ModerationAction | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None


class MessageQuery(Page):
    """`GET /streams/{key}/messages`: of one sender, from a moment on, before another, with words or parts of words.

    `deleted` lists deleted messages and no others; `format=jsonl` answers all of it as lines of JSON.
    """

    user_id: Identifier | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    deleted: bool = False
    search: Search | None = None
    format: Literal["json", "jsonl"] = "json"


class OrderQuery(Page):
    """`GET /orders`: of one status, and for admins of one user."""

    user_id: Identifier | None = None
    status: OrderStatus | None = None
