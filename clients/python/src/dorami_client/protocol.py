# Made by `python -m gateway.dev.client_types` from the documents of the API. Do not edit.
# ruff: noqa
# fmt: off

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Cause = Literal['unpinned', 'expired', 'replaced', 'deleted']

Code = Literal['INVALID_PAYLOAD', 'INVALID_MESSAGE', 'MESSAGE_TOO_LONG', 'AUTH_REQUIRED', 'TOKEN_EXPIRED', 'TOKEN_REVOKED', 'FORBIDDEN', 'CSRF_TOKEN_MISSING', 'CSRF_TOKEN_INVALID', 'MUTED', 'BANNED', 'NOT_FOUND', 'UNKNOWN_EVENT', 'NOT_IN_ROOM', 'CONFLICT', 'INSUFFICIENT_STOCK', 'PRICE_CHANGED', 'ROOM_FROZEN', 'PAYLOAD_TOO_LARGE', 'RATE_LIMIT_EXCEEDED', 'SLOW_MODE', 'INTERNAL_ERROR', 'SERVICE_UNAVAILABLE']

ModerationAction = Literal['MUTE', 'UNMUTE', 'BAN', 'UNBAN', 'SLOW_MODE', 'FREEZE', 'UNFREEZE', 'ALLOW_GUESTS', 'REFUSE_GUESTS', 'ANNOUNCE', 'DELETE_MESSAGE', 'KEEP_MESSAGE', 'CLEAR', 'UNDO_CLEAR', 'PIN', 'UNPIN', 'ADD_WORD', 'CHANGE_WORD', 'REMOVE_WORD', 'CHANGE_SANCTION', 'CREATE_STREAM', 'CHANGE_STREAM', 'START_STREAM', 'STOP_STREAM', 'CANCEL_STREAM', 'ROTATE_INGEST_KEY', 'CREATE_PRODUCT', 'CHANGE_PRODUCT', 'DELETE_PRODUCT', 'PAY_ORDER', 'CANCEL_ORDER', 'CREATE_USER', 'CHANGE_ROLE', 'SUSPEND', 'UNSUSPEND', 'RESET_PASSWORD', 'LOGOUT_USER', 'DISCONNECT', 'DRAIN_NODE', 'RESUME_NODE']

Power = Literal['MUTE', 'BAN', 'SETTINGS', 'ANNOUNCE', 'PIN', 'REVIEW', 'DELETE', 'CLEAR']


class AddWord(TypedDict):
    """`POST /moderation/words`: a word for one room, or without `live_id` for all."""

    word: str
    action: Literal['ALLOW', 'MASK', 'BLOCK']
    liveId: NotRequired[str | None]


class AllowGuests(TypedDict):
    """`chat:allow-guests`: whether guests may send messages."""

    liveId: str
    allowed: bool


class Announce(TypedDict):
    """`chat:announce`."""

    liveId: str
    message: str


class Announced(TypedDict):
    """The ack of `chat:announce`."""

    seq: int
    timestamp: str


class Announcement(TypedDict):
    """`data` of `chat:announcement`; `seq` is its place in the room log."""

    seq: int
    liveId: str
    userId: str
    username: str
    role: str
    message: str
    timestamp: str


class ArrangeProducts(TypedDict):
    """`PATCH /products/order`: products of a stream in their new order; those that are not named keep their place."""

    streamKey: str
    ids: list[str]


class AuthRefresh(TypedDict):
    """`auth:refresh`: a new access token of the same user, for an open socket."""

    token: str


class AuthRefreshed(TypedDict):
    """The ack of `auth:refresh`."""

    userId: str
    role: str
    expiresAt: str


class BanAck(TypedDict):
    """The ack of `chat:ban-user`, with the number of messages that were deleted."""

    liveId: str | None
    userId: str
    until: str | None
    sanctionId: str | None
    deleted: int


class BanUser(TypedDict):
    """`chat:ban-user`: from a room, or without `live_id` everywhere; without `seconds` for good."""

    liveId: NotRequired[str | None]
    userId: str
    seconds: NotRequired[int | None]
    reason: NotRequired[str | None]
    deleteMessages: NotRequired[bool]


class Banned(TypedDict):
    """`chat:banned`, sent to the sockets of a user before they end; `live_id` is null for a ban everywhere."""

    liveId: str | None
    until: str
    reason: str | None


class ChangeOneOf(TypedDict):
    """One of the changes of `PATCH /products`."""

    name: NotRequired[str | None]
    price: NotRequired[float | str | None]
    stock: NotRequired[int | None]
    description: NotRequired[str | None]
    originalPrice: NotRequired[float | str | None]
    discountRate: NotRequired[int | None]
    imageUrl: NotRequired[str | None]
    images: NotRequired[list[str] | None]
    sortOrder: NotRequired[int | None]
    isNew: NotRequired[bool | None]
    expectedVersion: NotRequired[int | None]
    id: str


class ChangePassword(TypedDict):
    """`POST /users/me/password`."""

    currentPassword: str
    newPassword: str


class ChangeProduct(TypedDict):
    """`PATCH /products/{id}`: the given fields change. A new price ends a deal."""

    name: NotRequired[str | None]
    price: NotRequired[float | str | None]
    stock: NotRequired[int | None]
    description: NotRequired[str | None]
    originalPrice: NotRequired[float | str | None]
    discountRate: NotRequired[int | None]
    imageUrl: NotRequired[str | None]
    images: NotRequired[list[str] | None]
    sortOrder: NotRequired[int | None]
    isNew: NotRequired[bool | None]
    expectedVersion: NotRequired[int | None]


class ChangeProducts(TypedDict):
    """`PATCH /products`: all of the changes or none. Each product may occur once."""

    items: list[ChangeOneOf]


class ChangeProfile(TypedDict):
    """`PATCH /users/me`."""

    username: str


class ChangeRole(TypedDict):
    """`PATCH /users/{id}`."""

    role: Literal['USER', 'HOST', 'MODERATOR', 'ADMIN']


class ChangeSanction(TypedDict):
    """`PATCH /moderation/sanctions/{id}`: the sanction ends after `seconds` from now, or never if null."""

    seconds: int | None
    reason: NotRequired[str | None]


class ChangeStock(TypedDict):
    """`PATCH /products/{id}/stock`: a new stock, or a difference; exactly one of the two."""

    stock: NotRequired[int | None]
    change: NotRequired[int | None]
    expectedVersion: NotRequired[int | None]


class ChangeStream(TypedDict):
    """`PATCH /streams/{key}`: the given fields change. The time of a started stream cannot change."""

    title: NotRequired[str | None]
    description: NotRequired[str | None]
    scheduledAt: NotRequired[str | None]
    ordersWhenNotLive: NotRequired[bool | None]


class ChangeWord(TypedDict):
    """`PATCH /moderation/words/{id}`."""

    action: Literal['ALLOW', 'MASK', 'BLOCK']


class ChangedProducts(TypedDict):
    """The products after the changes, in the order of the changes."""

    items: list[Product]


class Clear(TypedDict):
    """`chat:clear`: delete the messages of a room; only those of `user_id` and of the `last_seconds` if given."""

    liveId: str
    userId: NotRequired[str | None]
    lastSeconds: NotRequired[int | None]
    reason: NotRequired[str | None]
    dryRun: NotRequired[bool]


class ClearAck(TypedDict):
    """The ack of `chat:clear`. `clear_id`, with which the clear can be undone, is null if nothing was deleted."""

    deleted: int
    remaining: int
    clearId: str | None
    dryRun: bool


class Cleared(TypedDict):
    """`data` of `chat:cleared`: messages with `from_seq` <= `seq` < `before_seq` were deleted."""

    liveId: str
    userId: NotRequired[str]
    fromSeq: int
    beforeSeq: int
    clearId: str
    timestamp: str


class Component(TypedDict):
    """The state of one thing that the node needs."""

    status: Literal['up', 'full', 'partial', 'down']


class Connected(TypedDict):
    """`connected` on `/`, and with `timestamp` the `data` of `connection:success`."""

    message: str
    userId: str
    role: str
    authenticated: bool
    protocol: str
    serverTime: str
    expiresAt: str
    limits: Limits


class ConnectionList(TypedDict):
    """`GET /cluster/connections`. `silent` are the nodes that did not answer, whose connections are missing."""

    items: list[ConnectionView]
    silent: list[str]


class ConnectionQuery(TypedDict):
    """`GET /cluster/connections` of a user or guest: `userId`, or `user`."""

    userId: str


class ConnectionSuccess(TypedDict):
    """The `data` of `connection:success` on `/chat` and `/streaming`."""

    message: str
    userId: str
    role: str
    authenticated: bool
    protocol: str
    serverTime: str
    expiresAt: str
    limits: Limits
    timestamp: str


class ConnectionView(TypedDict):
    """One connection of a person. `rooms` are those whose events it gets; `id` is not the secret session id."""

    id: str
    node: str
    userId: str
    username: str
    role: str
    transport: str
    address: str
    connectedAt: str
    namespaces: list[str]
    rooms: list[str]

CreateJob = TypedDict('CreateJob', {'kind': "Literal['replay']", 'streamKey': 'str', 'source': 'str', 'from': 'NotRequired[float]', 'to': 'NotRequired[float | None]', 'renditions': "NotRequired[list[Literal['1080p', '720p', '480p', '360p']]]"})


class CreateProduct(TypedDict):
    """`POST /products`."""

    streamKey: str
    name: str
    price: float | str
    stock: int
    description: NotRequired[str]
    originalPrice: NotRequired[float | str | None]
    discountRate: NotRequired[int]
    imageUrl: NotRequired[str | None]
    images: NotRequired[list[str]]
    sortOrder: NotRequired[int]
    isNew: NotRequired[bool]


class CreateStream(TypedDict):
    """`POST /streams`; without a key the gateway makes one. `ordersWhenNotLive`: accept orders before and after."""

    title: str
    key: NotRequired[str | None]
    description: NotRequired[str]
    scheduledAt: NotRequired[str | None]
    ordersWhenNotLive: NotRequired[bool]


class CreateUser(TypedDict):
    """`POST /users`: without a password the answer has a one-time link; its user must change a given one."""

    email: str
    username: str
    role: NotRequired[Literal['USER', 'HOST', 'MODERATOR', 'ADMIN']]
    password: NotRequired[str | None]


class CreatedUser(TypedDict):
    """The answer to `POST /users`; `link` is null for an account with a password."""

    user: UserView
    link: PasswordLink | None


class CsrfToken(TypedDict):
    """`GET /auth/csrf`: the value for the header `X-CSRF-Token` of unsafe requests with cookies."""

    csrfToken: str


class CurrentSession(TypedDict):
    """`GET /auth/session`; `user` is null without a valid session."""

    user: UserView | None
    powers: list[Power]
    hostPowers: list[Power]
    expiresAt: str | None


class Cursor(TypedDict):
    """A place in a room log. `epoch` identifies the log; cursors of other epochs are void."""

    epoch: str
    seq: int


class DeleteMessage(TypedDict):
    """`chat:delete-message`."""

    liveId: str
    messageId: str
    reason: NotRequired[str | None]


class Deleted(TypedDict):
    """The ack of `chat:delete-message`."""

    messageId: str
    alreadyDeleted: bool


class DuplicateStream(TypedDict):
    """`POST /streams/{key}/duplicate`: a scheduled stream like this one, with its products unless `products` is false."""

    key: NotRequired[str | None]
    title: NotRequired[str | None]
    scheduledAt: NotRequired[str | None]
    products: NotRequired[bool]


class EnterAsGuest(TypedDict):
    """`POST /auth/guest`: a refresh token of a guest continues that guest's session."""

    refreshToken: NotRequired[str | None]
    deviceId: NotRequired[str | None]


class ErrorBody(TypedDict):
    """The error in an ack."""

    code: Code
    message: str
    retryable: bool
    retryAfterMs: NotRequired[int]
    details: NotRequired[Any]


class ErrorEvent(TypedDict):
    """The `error` event, sent to a client that asked for no ack; `event` is the name it sent, None for no string."""

    type: Literal['error']
    event: str | None
    errorCode: Code
    message: str
    retryable: bool
    retryAfterMs: NotRequired[int]
    details: NotRequired[Any]
    requestId: str
    timestamp: str


class Expiring(TypedDict):
    """`auth:expiring`: when the socket ends, unless its client sends a new token with `auth:refresh`."""

    expiresAt: str


class Failure(TypedDict):
    """The ack of a failed request."""

    ok: Literal[False]
    error: ErrorBody
    requestId: str
    ts: int


class Farewell(TypedDict):
    """`auth:expired`, `auth:revoked` and `server:shutdown`: why the server ends a socket, and whether to reconnect."""

    code: Code
    reconnect: bool
    retryAfterMs: NotRequired[int]


class FeatureProduct(TypedDict):
    """`PUT /streams/{key}/featured-product`."""

    productId: str


class FeaturedProduct(TypedDict):
    """`stream:featured-product:updated`: the product that a stream shows first, null for none."""

    streamKey: str
    productId: str | None
    product: Product | None


class FilteredText(TypedDict):
    """The result of the check: `text` is what would be stored, null if the message would be refused."""

    action: Literal['ALLOW', 'MASK', 'BLOCK']
    text: str | None


class Freeze(TypedDict):
    """`chat:freeze`: whether only moderators may send messages."""

    liveId: str
    frozen: bool


class Hearts(TypedDict):
    """`data` of `stream:hearts`: the hearts sent through one node since its last event, the receiver's own too."""

    streamKey: str
    count: int
    timestamp: str


class HeartsSent(TypedDict):
    """The ack of `stream:heart`."""

    streamKey: str


class History(TypedDict):
    """`chat:history`: a page of messages before a message id, newest page first."""

    liveId: str
    before: NotRequired[str | None]
    limit: NotRequired[int]


class HistoryEvent(TypedDict):
    """`data` of the event `chat:history`, sent to a socket that joined without an ack."""

    liveId: str
    messages: list[HistoryMessage]


class HistoryMessage(TypedDict):
    """An entry of the history in the ack of a join: a message, or with `kind` an announcement."""

    id: str
    liveId: str
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']
    message: str
    clientMessageId: str | None
    timestamp: str
    seq: int
    kind: NotRequired[Literal['announcement']]


class HistoryPage(TypedDict):
    """The ack of `chat:history`, oldest first. `next_before` is `before` of the next page, null after the last one."""

    messages: list[Message]
    nextBefore: str | None


class HttpError(TypedDict):
    """The body of HTTP answers with status 400 and above."""

    statusCode: int
    errorCode: Code
    message: str
    retryable: bool
    retryAfterMs: NotRequired[int]
    details: NotRequired[Any]
    requestId: str
    timestamp: str


class IngestKey(TypedDict):
    """The answer to `POST /streams/{key}/ingest-key`: a secret for the encoder, which cannot be read again."""

    streamKey: str
    ingestKey: str
    createdAt: str


class Job(TypedDict):
    """A job. `result` is null unless the job is DONE."""

    id: str
    kind: Literal['replay']
    streamKey: str
    status: Literal['QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED']
    progress: int
    detail: str
    result: dict[str, Any] | None
    createdAt: str
    startedAt: str | None
    endedAt: str | None


class JobPage(TypedDict):
    """A page of jobs, newest first; `next_cursor` is null at the end."""

    items: list[Job]
    nextCursor: str | None


class JobQuery(TypedDict):
    """`GET /jobs`, filtered by status or stream."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    status: NotRequired[Literal['QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED'] | None]
    streamKey: NotRequired[str | None]


class JobUpdate(TypedDict):
    """`data` of `job:update`; `progress` is in percent."""

    id: str
    kind: Literal['replay']
    progress: int
    status: Literal['QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED']
    detail: str


class JoinOrders(TypedDict):
    """`join:orders`."""

    since: NotRequired[Since | None]


class JoinRoom(TypedDict):
    """`chat:join-room`."""

    liveId: str
    since: NotRequired[Since | None]


class JoinStream(TypedDict):
    """`join:stream`."""

    streamId: str
    since: NotRequired[Since | None]


class Joined(TypedDict):
    """The ack of `chat:join-room`. If `recovered`, `events` has what was missed; else `history` is complete."""

    roomName: str
    members: int
    history: list[HistoryMessage]
    pinned: list[PinnedMessage]
    settings: RoomSettings
    you: You
    cursor: Cursor
    recovered: bool
    events: NotRequired[list[Missed]]


class LeaveRoom(TypedDict):
    """`chat:leave-room`."""

    liveId: str


class LeaveStream(TypedDict):
    """`leave:stream`."""

    streamId: str


class Left(TypedDict):
    """The ack of `chat:leave-room`."""

    roomName: str


class Lifted(TypedDict):
    """`chat:unmuted` and `chat:unbanned`: a sanction of `user_id` was lifted; `live_id` is null for one everywhere."""

    userId: str
    liveId: str | None


class Limits(TypedDict):
    """The limits that apply to the client."""

    messageLength: int
    rates: dict[str, RateLimit]


class Live(TypedDict):
    """`GET /health/live`: the process answers."""

    status: Literal['ok']
    timestamp: str


class LogEntry(TypedDict):
    """An entry of the audit log. The content of `details` depends on the action."""

    id: str
    action: str
    liveId: str | None
    actorId: str
    actorName: str | None
    subjectId: str | None
    subjectName: str | None
    messageId: str | None
    reason: str | None
    details: dict[str, Any]
    timestamp: str


class LogPage(TypedDict):
    """A page of the audit log, newest first."""

    items: list[LogEntry]
    nextCursor: str | None

LogQuery = TypedDict('LogQuery', {'cursor': 'NotRequired[str | None]', 'limit': 'NotRequired[int]', 'liveId': 'NotRequired[str | None]', 'actorId': 'NotRequired[str | None]', 'subjectId': 'NotRequired[str | None]', 'action': 'NotRequired[ModerationAction | None]', 'from': 'NotRequired[str | None]', 'to': 'NotRequired[str | None]', 'format': "NotRequired[Literal['json', 'jsonl']]"})


class Login(TypedDict):
    """`POST /auth/login`."""

    email: str
    password: str


class LowStock(TypedDict):
    """`data` of `product:low-stock`."""

    productId: str
    productName: str
    remainingStock: int


class MarkRead(TypedDict):
    """`POST /notifications/read`: the notifications of these ids, or all without `ids`."""

    ids: NotRequired[list[str] | None]


class MemberPage(TypedDict):
    """A page of the people in a chat, by name; `total` counts all of them, also in a search."""

    items: list[MemberView]
    total: int
    nextCursor: str | None


class MemberQuery(TypedDict):
    """`GET /streams/{key}/members`, filtered by text in the name."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    search: NotRequired[str | None]


class MemberView(TypedDict):
    """A member of a chat room."""

    userId: str
    username: str
    role: str
    guest: bool


class Message(TypedDict):
    """A stored message, in the history and as `data` of `chat:message`."""

    id: str
    liveId: str
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']
    message: str
    clientMessageId: str | None
    timestamp: str
    seq: int


class MessageDeleted(TypedDict):
    """`data` of `chat:message-deleted`; `seq` is the place of the deletion in the room log."""

    messageId: str
    seq: int
    liveId: str
    deletedBy: str
    reason: str | None
    timestamp: str

MessageQuery = TypedDict('MessageQuery', {'cursor': 'NotRequired[str | None]', 'limit': 'NotRequired[int]', 'userId': 'NotRequired[str | None]', 'from': 'NotRequired[str | None]', 'to': 'NotRequired[str | None]', 'deleted': 'NotRequired[bool]', 'search': 'NotRequired[str | None]', 'format': "NotRequired[Literal['json', 'jsonl']]"})


class Missed(TypedDict):
    """One event that a client missed, as it was broadcast."""

    event: str
    payload: Any
    seq: int


class MuteUser(TypedDict):
    """`chat:mute-user`, without `seconds` for good; `chat:unmute-user`, which ignores `seconds`."""

    liveId: str
    userId: str
    seconds: NotRequired[int | None]
    reason: NotRequired[str | None]


class Muted(TypedDict):
    """`chat:muted`, to the sockets of a user in a room. `until` is null if the mute was lifted."""

    liveId: str | None
    until: str | None


class NodePage(TypedDict):
    """`GET /cluster/nodes`, by name."""

    items: list[NodeView]


class NodeView(TypedDict):
    """One node. `gone`: no sign of life for 10 s."""

    memory: int | None
    components: dict[str, Literal['up', 'full', 'partial', 'down']]
    eventsPerSecond: float | None
    deliveriesPerSecond: float | None
    id: str
    name: str
    version: str
    startedAt: str
    seenAt: str
    status: Literal['ok', 'degraded', 'error', 'draining'] | Literal['gone']
    connections: int


class Notification(TypedDict):
    """`data` of `notification:new`. A repetition has the same `id`."""

    id: str
    title: str
    message: str
    level: Literal['INFO', 'SUCCESS', 'WARNING', 'ERROR']
    timestamp: str


class NotificationPage(TypedDict):
    """A page of the caller's notifications, newest first; `next_cursor` is null at the end."""

    unread: int
    items: list[NotificationView]
    nextCursor: str | None


class NotificationQuery(TypedDict):
    """`GET /notifications`; `unread` leaves out those marked as read."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    unread: NotRequired[bool]


class NotificationView(TypedDict):
    """A notification in a list; `read_at` is null while it is unread."""

    id: str
    title: str
    message: str
    level: Literal['INFO', 'SUCCESS', 'WARNING', 'ERROR']
    timestamp: str
    readAt: str | None


class OpenReports(TypedDict):
    """`data` of `chat:reports`: the number of messages of a room that wait for a review."""

    liveId: str
    open: int
    hidden: int
    reports: int


class Order(TypedDict):
    """An order; `total` is the price of its items when it was placed. Hosts get the items of their own streams alone."""

    id: str
    userId: str
    username: NotRequired[str]
    status: Literal['PENDING', 'PAID', 'CANCELLED', 'EXPIRED']
    items: list[OrderItem]
    total: float
    createdAt: str
    expiresAt: str | None
    paidAt: str | None
    cancelledAt: str | None


class OrderItem(TypedDict):
    """One product of an order as it was at that time; `product_id` is null once the product is deleted."""

    productId: str | None
    streamKey: str
    name: str
    price: float
    quantity: int


class OrderLine(TypedDict):
    """A quantity of one product. If `price`, the one that the buyer saw, has changed, the order fails."""

    productId: str
    quantity: int
    price: NotRequired[float | str | None]


class OrderPage(TypedDict):
    """A page of orders; `next_cursor` is None at the end."""

    items: list[Order]
    nextCursor: str | None

OrderQuery = TypedDict('OrderQuery', {'cursor': 'NotRequired[str | None]', 'limit': 'NotRequired[int]', 'userId': 'NotRequired[str | None]', 'status': "NotRequired[Literal['PENDING', 'PAID', 'CANCELLED', 'EXPIRED'] | None]", 'streamKey': 'NotRequired[str | None]', 'scope': "NotRequired[Literal['own', 'sold'] | None]", 'from': 'NotRequired[str | None]', 'to': 'NotRequired[str | None]', 'format': "NotRequired[Literal['json', 'jsonl']]"})


class OrdersJoined(TypedDict):
    """The ack of `join:orders`; `events` are those after `since`, if all of them are still stored."""

    room: str
    cursor: Cursor
    recovered: bool
    events: NotRequired[list[Missed]]


class Page(TypedDict):
    """The part of a list to return: `cursor` is the `nextCursor` of the previous page."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]


class PasswordLink(TypedDict):
    """The secret of a one-time link: the page `/console/password#<token>` takes it. It cannot be read again."""

    token: str
    expiresAt: str


class PersonCounts(TypedDict):
    """Numbers of messages, orders and sanctions of a person; hosts get those of their own streams."""

    messages: int
    deletedMessages: int
    orders: int
    mutes: int
    bans: int


class PersonView(TypedDict):
    """`GET /people/{id}`: a user or a guest. `email` and `suspendedReason` are for administrators, else null."""

    id: str
    username: str
    guest: bool
    role: str
    status: str
    email: str | None
    suspendedReason: str | None
    createdAt: str
    connections: int
    online: list[Whereabouts]
    counts: PersonCounts
    sanctions: list[SanctionView]


class PinAck(TypedDict):
    """The ack of `chat:pin-message`."""

    messageId: str
    until: str | None


class PinMessage(TypedDict):
    """`chat:pin-message`: pin a message, without `seconds` for good. Pinning again changes the end."""

    liveId: str
    messageId: str
    seconds: NotRequired[int | None]


class PinnedMessage(TypedDict):
    """A pinned message, in the ack of a join and as `data` of `chat:pinned`; without `pinned_until` it stays pinned."""

    id: str
    liveId: str
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']
    message: str
    clientMessageId: str | None
    timestamp: str
    pinnedBy: str
    pinnedAt: str
    pinnedUntil: str | None


class PlaceOrder(TypedDict):
    """`POST /orders`: all items or none. Each product may occur once."""

    items: list[OrderLine]


class Presence(TypedDict):
    """`data` of `chat:user-joined` and `chat:user-left`."""

    userId: str
    liveId: str
    timestamp: str


class Product(TypedDict):
    """A product. A client that has a newer `version` ignores an older event."""

    id: str
    streamKey: str
    name: str
    description: str
    price: float
    originalPrice: float | None
    currency: str
    discountRate: int
    dealEndsAt: str | None
    stock: int
    status: Literal['AVAILABLE', 'SOLD_OUT']
    imageUrl: str | None
    images: list[str]
    sortOrder: int
    isNew: bool
    version: int
    createdAt: str
    updatedAt: str


class ProductDeleted(TypedDict):
    """`data` of `live:product:deleted`."""

    productId: str
    version: int


class ProductPage(TypedDict):
    """A page of products; `next_cursor` is None at the end."""

    items: list[Product]
    nextCursor: str | None


class ProductQuery(TypedDict):
    """`GET /products`, filtered by stream, status, or text in the name or description."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    streamKey: NotRequired[str | None]
    status: NotRequired[Literal['AVAILABLE', 'SOLD_OUT'] | None]
    search: NotRequired[str | None]


class PublicKeys(TypedDict):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


class Purchase(TypedDict):
    """`order:purchase:notification`: a purchase, with a masked name of the buyer."""

    streamKey: str
    displayName: str
    message: str


class RateLimit(TypedDict):
    """How many requests of a kind a user may make within a number of seconds."""

    count: int
    seconds: float


class Ready(TypedDict):
    """`GET /health/ready`. `info` has all components, `error` those that are not up."""

    status: Literal['ok', 'degraded', 'error', 'draining']
    info: dict[str, Component]
    error: dict[str, Component]
    timestamp: str


class Refresh(TypedDict):
    """`POST /auth/refresh` and `/auth/logout`: the token, for clients that send no cookie."""

    refreshToken: NotRequired[str | None]


class Refusal(TypedDict):
    """`data` of a `connect_error`."""

    code: Code
    retryable: Literal[False]
    until: NotRequired[str]


class Register(TypedDict):
    """`POST /auth/register`."""

    email: str
    username: str
    password: str


class Report(TypedDict):
    """`chat:report`: report a message to the staff of the room. `note` adds to the reason."""

    liveId: str
    messageId: str
    reason: Literal['SPAM', 'ABUSE', 'SEXUAL', 'FRAUD', 'PRIVACY', 'OTHER']
    note: NotRequired[str | None]


class ReportNote(TypedDict):
    """The note of one report, without the name of the person."""

    reason: Literal['SPAM', 'ABUSE', 'SEXUAL', 'FRAUD', 'PRIVACY', 'OTHER']
    note: str
    timestamp: str


class ReportQuery(TypedDict):
    """`GET /moderation/reports`, filtered by room, status, reason, author, or whether they are hidden."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    liveId: NotRequired[str | None]
    status: NotRequired[Literal['OPEN', 'KEPT', 'DELETED'] | None]
    reason: NotRequired[Literal['SPAM', 'ABUSE', 'SEXUAL', 'FRAUD', 'PRIVACY', 'OTHER'] | None]
    userId: NotRequired[str | None]
    hidden: NotRequired[bool | None]


class Reported(TypedDict):
    """The ack of `chat:report`. `duplicate`: the same person had reported the message before."""

    messageId: str
    duplicate: bool


class ReportedMessageDetail(TypedDict):
    """A reported message with its last `notes`, and the messages shown around it, oldest first."""

    messageId: str
    liveId: str
    seq: int
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']
    message: str | None
    timestamp: str
    status: Literal['OPEN', 'KEPT', 'DELETED']
    hidden: bool
    reports: int
    reasons: dict[str, int]
    firstReportedAt: str
    lastReportedAt: str
    reviewedBy: str | None
    reviewedByName: str | None
    reviewedAt: str | None
    notes: list[ReportNote]
    before: list[Message]
    after: list[Message]


class ReportedMessagePage(TypedDict):
    """A page of reported messages, newest first by the first report; `open` counts all that wait for a review."""

    items: list[ReportedMessageView]
    nextCursor: str | None
    open: int


class ReportedMessageView(TypedDict):
    """A reported message, without the names of the people who reported it."""

    messageId: str
    liveId: str
    seq: int
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']
    message: str | None
    timestamp: str
    status: Literal['OPEN', 'KEPT', 'DELETED']
    hidden: bool
    reports: int
    reasons: dict[str, int]
    firstReportedAt: str
    lastReportedAt: str
    reviewedBy: str | None
    reviewedByName: str | None
    reviewedAt: str | None


class Restored(TypedDict):
    """`data` of `chat:restored`: messages with `from_seq` <= `seq` <= `to_seq` were restored."""

    liveId: str
    clearId: str
    fromSeq: int
    toSeq: int
    restored: int
    messages: list[Message] | None
    timestamp: str


class ReviewReports(TypedDict):
    """`POST /moderation/reports/{id}/review`: keep a message, which shows it again if it is hidden, or delete it."""

    decision: Literal['KEEP', 'DELETE']
    reason: NotRequired[str | None]


class RoomSettings(TypedDict):
    """The settings of a chat room, which moderators change."""

    slowModeSeconds: int
    frozen: bool
    guestsAllowed: bool


class RoomState(TypedDict):
    """`data` of `chat:room-state`, in rooms too large for `chat:user-joined` and `chat:user-left`."""

    liveId: str
    members: int


class SampleText(TypedDict):
    """`POST /moderation/words/test`: a text to check with the words of a room, or without `live_id` of all rooms."""

    text: str
    liveId: NotRequired[str | None]


class Sampled(TypedDict):
    """`data` of `chat:sampled`: of the `total` messages from `from_seq` to `to_seq` everybody got only `shown`."""

    liveId: str
    fromSeq: int
    toSeq: int
    shown: int
    total: int


class SanctionPage(TypedDict):
    """A page of sanctions, newest first; `next_cursor` is null at the end."""

    items: list[SanctionView]
    nextCursor: str | None


class SanctionQuery(TypedDict):
    """`GET /moderation/sanctions`, filtered by user, room, kind, or whether they are in force."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    userId: NotRequired[str | None]
    liveId: NotRequired[str | None]
    kind: NotRequired[Literal['MUTE', 'BAN'] | None]
    active: NotRequired[bool | None]


class SanctionView(TypedDict):
    """A mute or a ban."""

    id: str
    kind: Literal['MUTE', 'BAN']
    liveId: str | None
    userId: str
    username: str | None
    reason: str | None
    imposedBy: str
    imposedByName: str
    createdAt: str
    until: str
    active: bool
    liftedAt: str | None
    liftedBy: str | None
    liftedByName: str | None


class Sanctioned(TypedDict):
    """The ack of imposing and lifting mutes and bans. `until` and `sanction_id` are null if no sanction is in force."""

    liveId: str | None
    userId: str
    until: str | None
    sanctionId: str | None


class SendHearts(TypedDict):
    """`stream:heart`: clients add up hearts, and send the sum at most once a second."""

    streamKey: str
    count: NotRequired[int]


class SendMessage(TypedDict):
    """`chat:send-message`."""

    liveId: str
    message: str
    clientMessageId: NotRequired[str | None]


class SendNotification(TypedDict):
    """`POST /notifications`: to `userId` or to `userIds`; exactly one of the two."""

    userId: NotRequired[str | None]
    userIds: NotRequired[list[str] | None]
    title: str
    message: str
    level: NotRequired[Literal['INFO', 'SUCCESS', 'WARNING', 'ERROR']]


class Sent(TypedDict):
    """The ack of `chat:send-message`: the message is committed. `duplicate`: it had been stored before."""

    id: str
    seq: int
    message: str
    clientMessageId: str | None
    timestamp: str
    duplicate: bool


class SentBatch(TypedDict):
    """A notification that an administrator sent, with the numbers of recipients and of copies delivered and read."""

    id: str
    title: str
    message: str
    level: Literal['INFO', 'SUCCESS', 'WARNING', 'ERROR']
    sentBy: str | None
    sentByName: str | None
    recipients: int
    delivered: int
    read: int
    timestamp: str


class SentBatchPage(TypedDict):
    """A page of sent notifications, newest first; `next_cursor` is null at the end."""

    items: list[SentBatch]
    nextCursor: str | None


class SentNotification(TypedDict):
    """The copy of one recipient."""

    id: str
    userId: str


class SentNotifications(TypedDict):
    """The answer to `POST /notifications`; `id` identifies the whole batch."""

    id: str
    items: list[SentNotification]


class Session(TypedDict):
    """The answer to login and refresh: both tokens, for clients without cookies, and the user."""

    accessToken: str
    refreshToken: str
    tokenType: str
    expiresIn: int
    csrfToken: NotRequired[str]
    user: UserView


class SessionList(TypedDict):
    """`GET /auth/sessions`, last used first."""

    items: list[SessionView]


class SessionView(TypedDict):
    """A session of the caller; `current` is the one of this request."""

    id: str
    device: str
    createdAt: str
    lastUsedAt: str
    current: bool


class SettingsChanged(TypedDict):
    """`data` of `chat:settings`, and the ack of the events that change settings."""

    slowModeSeconds: int
    frozen: bool
    guestsAllowed: bool
    liveId: str


class ShopConfig(TypedDict):
    """`GET /config`: the public configuration of the shop."""

    version: str
    protocol: str
    currency: str
    locale: str
    analytics: bool
    imageOrigins: list[str]


class Since(TypedDict):
    """A cursor that a client received earlier and sends back."""

    epoch: str
    seq: int


class SlowMode(TypedDict):
    """`chat:slow-mode`: the least time between two messages of a sender; 0 turns it off."""

    liveId: str
    seconds: int


class SoldOut(TypedDict):
    """`data` of `live:product:soldout`."""

    productId: str
    version: int


class Stamp(TypedDict):
    """The fields that every logged event has beside those of its payload: room, place and time of the commit."""

    room: str
    seq: int
    epoch: str
    at: str


class StartDeal(TypedDict):
    """`POST /products/{id}/deal`: another price until a future time. Replaces a running deal."""

    price: float | str
    until: str
    expectedVersion: NotRequired[int | None]


class StoredMessage(TypedDict):
    """A message. `message` is null for a deleted one; the fields of the deletion are null for others."""

    id: str
    seq: int
    liveId: str
    userId: str
    username: str
    role: str
    message: str | None
    clientMessageId: str | None
    timestamp: str
    deletedAt: str | None
    deletedBy: str | None
    reason: str | None


class StoredMessagePage(TypedDict):
    """A page of the messages of a stream, newest first."""

    items: list[StoredMessage]
    nextCursor: str | None


class StreamEnded(TypedDict):
    """`stream:ended`."""

    streamKey: str
    timestamp: str


class StreamJoined(TypedDict):
    """The ack of `join:stream`."""

    room: str
    products: list[Product]
    featured: Product | None
    cursor: Cursor
    recovered: bool
    events: NotRequired[list[Missed]]


class StreamLeft(TypedDict):
    """The ack of `leave:stream`."""

    room: str


class StreamList(TypedDict):
    """A page of `GET /streams/active` or `/streams/upcoming`; `next_cursor` is None at the end."""

    streams: list[StreamView]
    nextCursor: str | None


class StreamListQuery(TypedDict):
    """`GET /streams/active` and `/streams/upcoming`."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]


class StreamPage(TypedDict):
    """A page of streams; `next_cursor` is None at the end."""

    items: list[StreamView]
    nextCursor: str | None


class StreamPresence(TypedDict):
    """`user:joined` and `user:left`."""

    userId: str
    streamId: str
    timestamp: str


class StreamQuery(TypedDict):
    """`GET /streams`, filtered by status, host, or text in the title."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    status: NotRequired[Literal['SCHEDULED', 'LIVE', 'ENDED', 'CANCELLED'] | None]
    hostId: NotRequired[str | None]
    search: NotRequired[str | None]


class StreamStarted(TypedDict):
    """`stream:started`; `resumed`: the stream had ended and continues."""

    streamKey: str
    resumed: NotRequired[bool]
    timestamp: str


class StreamStats(TypedDict):
    """`stream:stats` and `GET /streams/{key}/stats`. Rates are of the last minute."""

    streamKey: str
    viewers: int
    messagesPerMinute: int
    ordersPerMinute: int
    orders: int
    revenue: float
    at: str


class StreamTime(TypedDict):
    """A further field of the data of an event of a stream's room: ms since the stream first went live."""

    streamTime: NotRequired[int]


class StreamView(TypedDict):
    """A stream."""

    key: str
    title: str
    description: str
    hostId: str
    status: Literal['SCHEDULED', 'LIVE', 'ENDED', 'CANCELLED']
    scheduledAt: str | None
    startedAt: str | None
    endedAt: str | None
    closesAt: str | None
    ordersWhenNotLive: bool
    peakViewers: int
    totalViewers: int
    createdAt: str


class Suspend(TypedDict):
    """`POST /users/{id}/suspend`; the reason goes into the audit log."""

    reason: NotRequired[str | None]


class UndoAck(TypedDict):
    """The ack of `chat:undo-clear`: how many messages were restored, and how many no longer exist (`lost`)."""

    restored: int
    remaining: int
    lost: int


class UndoClear(TypedDict):
    """`chat:undo-clear`."""

    liveId: str
    clearId: str


class UnpinAck(TypedDict):
    """The ack of `chat:unpin-message`."""

    messageId: str
    alreadyUnpinned: bool


class UnpinMessage(TypedDict):
    """`chat:unpin-message`."""

    liveId: str
    messageId: str


class Unpinned(TypedDict):
    """`data` of `chat:unpinned`."""

    liveId: str
    messageId: str
    cause: Cause
    timestamp: str


class Unread(TypedDict):
    """The number of unread notifications, at most 1,000."""

    unread: int


class UpcomingStreams(TypedDict):
    """`upcoming:updated`: the first streams of `GET /streams/upcoming`."""

    streams: list[StreamView]


class UsePasswordLink(TypedDict):
    """`POST /auth/password`: set a password with the token of a link."""

    token: str
    newPassword: str


class UserPage(TypedDict):
    """A page of accounts; `next_cursor` is None at the end."""

    items: list[UserView]
    nextCursor: str | None


class UserQuery(TypedDict):
    """`GET /users`, filtered by role, status, or text in the name or e-mail address."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    role: NotRequired[Literal['USER', 'HOST', 'MODERATOR', 'ADMIN'] | None]
    status: NotRequired[Literal['ACTIVE', 'SUSPENDED'] | None]
    search: NotRequired[str | None]


class UserView(TypedDict):
    """An account, or a guest, who has no e-mail address. `mustChangePassword` is left out unless it is true."""

    id: str
    email: str | None
    username: str
    role: str
    status: str
    mustChangePassword: NotRequired[bool]
    createdAt: str


class ViewerJoin(TypedDict):
    """`stream:viewer:join`."""

    streamKey: str
    since: NotRequired[Since | None]


class ViewerJoined(TypedDict):
    """The ack of `stream:viewer:join`; counts are of distinct people over all nodes."""

    streamKey: str
    viewerCount: int
    peakViewers: int
    totalViewers: int
    live: bool
    cursor: Cursor
    recovered: bool
    events: NotRequired[list[Missed]]


class ViewerLeave(TypedDict):
    """`stream:viewer:leave`."""

    streamKey: str


class ViewerLeft(TypedDict):
    """The ack of `stream:viewer:leave`."""

    streamKey: str
    viewerCount: int


class ViewerUpdate(TypedDict):
    """`data` of `stream:viewer:update`."""

    streamKey: str
    viewerCount: int
    timestamp: str


class Whereabouts(TypedDict):
    """A stream in which somebody is now: in its chat, watching it, or following its products."""

    streamKey: str
    chat: bool
    watching: bool
    products: bool


class WordPage(TypedDict):
    """A page of listed words, newest first."""

    items: list[WordView]
    nextCursor: str | None


class WordQuery(TypedDict):
    """`GET /moderation/words`, filtered by room, action, or text in the word."""

    cursor: NotRequired[str | None]
    limit: NotRequired[int]
    liveId: NotRequired[str | None]
    action: NotRequired[Literal['ALLOW', 'MASK', 'BLOCK'] | None]
    search: NotRequired[str | None]


class WordView(TypedDict):
    """A listed word, in the folded form that is compared with messages."""

    id: str
    word: str
    action: str
    liveId: str | None
    createdBy: str
    createdAt: str


class You(TypedDict):
    """The joining user and their rights in the room."""

    canSend: bool
    mutedUntil: str | None
    moderator: bool
    powers: list[Power]
    userId: str
    username: str
    role: Literal['GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN']


class YourRights(TypedDict):
    """`data` of `chat:you`: the rights of the socket's user in a room from now on."""

    canSend: bool
    mutedUntil: str | None
    moderator: bool
    powers: list[Power]
    liveId: str
