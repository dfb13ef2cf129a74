"""The table of broadcasts by namespace: occasion, recipients and payload. Read by the AsyncAPI document.

Each event of `events.py` that the gateway sends needs a row here. The events that clients send are in `namespaces/`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from gateway.keys import CHAT, ROOT, STREAMING
from gateway.protocol import events
from gateway.protocol.answers import ErrorEvent, Farewell
from gateway.protocol.payloads import (
    accounts,
    catalog,
    chat,
    curation,
    jobs,
    moderation,
    notifications,
    orders,
    reports,
    streaming,
)
from gateway.protocol.wire import Payload


class To(StrEnum):
    """Who receives an event."""

    SOCKET = "this socket"
    ROOM = "the room"
    USER = "all sockets of one user"
    STAFF = "the administrators, moderators and the host in the room, and for `chat:unmuted` the person"
    ADMINS = "all administrators, and the hosts of the streams"
    BUYER_AND_ADMINS = "all sockets of the buyer, all administrators, and the hosts of the streams"
    EVERYBODY = "everybody on this namespace"


class Broadcast(NamedTuple):
    """One event. Its payload on the wire is `data`, or `{type, data}` if `typed`; with a `Stamp` if `logged`."""

    when: str
    to: To
    data: type[Payload]
    typed: bool = True
    logged: bool = False  # has a place in the room log; clients also get an offset as the last argument

    @property
    def timed(self) -> bool:
        """Whether its data has the time of the stream to whose room it is sent."""
        return self.to is To.ROOM


_ALWAYS = {
    events.ERROR: Broadcast("A request without an ack failed", To.SOCKET, ErrorEvent, typed=False),
    events.AUTH_EXPIRING: Broadcast("The socket expires within a minute", To.SOCKET, accounts.Expiring, typed=False),
    events.AUTH_EXPIRED: Broadcast("The socket has expired; its connection closes", To.SOCKET, Farewell, typed=False),
    events.AUTH_REVOKED: Broadcast("The token was revoked; the socket ends", To.SOCKET, Farewell, typed=False),
    events.SERVER_SHUTDOWN: Broadcast("The node stops", To.SOCKET, Farewell, typed=False),
    events.CHAT_BANNED: Broadcast("The user was banned; the sockets end", To.USER, moderation.Banned, typed=False),
}

BROADCASTS: Mapping[str, Mapping[str, Broadcast]] = {
    ROOT: _ALWAYS
    | {
        events.CONNECTED: Broadcast("The socket is connected", To.SOCKET, accounts.Connected, typed=False),
        events.USER_JOINED: Broadcast("Somebody joined a small room", To.ROOM, catalog.StreamPresence, typed=False),
        events.USER_LEFT: Broadcast("Somebody left a small room", To.ROOM, catalog.StreamPresence, typed=False),
        events.UPCOMING_UPDATED: Broadcast(
            "The list of scheduled streams changed", To.EVERYBODY, streaming.UpcomingStreams, typed=False
        ),
        events.PRODUCT_ADDED: Broadcast("A product was added", To.ROOM, catalog.Product, logged=True),
        events.PRODUCT_UPDATED: Broadcast("A product changed", To.ROOM, catalog.Product, logged=True),
        events.PRODUCT_SOLDOUT: Broadcast("A product sold out", To.ROOM, catalog.SoldOut, logged=True),
        events.PRODUCT_DELETED: Broadcast("A product was deleted", To.ROOM, catalog.ProductDeleted, logged=True),
        events.PRODUCT_LOW_STOCK: Broadcast("A product is low in stock", To.ROOM, catalog.LowStock, logged=True),
        events.FEATURED_PRODUCT_UPDATED: Broadcast(
            "The featured product changed", To.ROOM, catalog.FeaturedProduct, typed=False, logged=True
        ),
        events.ORDER_PURCHASE_NOTIFICATION: Broadcast(
            "Somebody placed an order", To.ROOM, orders.Purchase, typed=False, logged=True
        ),
        events.NOTIFICATION_NEW: Broadcast("The user got a notification", To.USER, notifications.Notification),
        events.JOB_UPDATE: Broadcast("A job of the user progressed", To.USER, jobs.JobUpdate),
        events.ORDER_NEW: Broadcast("An order was placed", To.ADMINS, orders.Order, logged=True),
        events.ORDER_PAID: Broadcast("An order was paid", To.ADMINS, orders.Order, logged=True),
        events.ORDER_CANCELLED: Broadcast("An order was cancelled", To.ADMINS, orders.Order, logged=True),
        events.ORDER_EXPIRED: Broadcast(
            "An order was not paid in time", To.BUYER_AND_ADMINS, orders.Order, logged=True
        ),
    },
    CHAT: _ALWAYS
    | {
        events.CONNECTION_SUCCESS: Broadcast("The socket is connected", To.SOCKET, accounts.ConnectionSuccess),
        events.CHAT_HISTORY: Broadcast("The socket joined without an ack", To.SOCKET, chat.HistoryEvent),
        events.CHAT_MESSAGE: Broadcast("Somebody sent a message", To.ROOM, chat.Message, logged=True),
        events.CHAT_MESSAGE_DELETED: Broadcast("A message was deleted", To.ROOM, chat.MessageDeleted, logged=True),
        events.CHAT_PINNED: Broadcast("A message was pinned", To.ROOM, chat.PinnedMessage, logged=True),
        events.CHAT_UNPINNED: Broadcast("A pin ended", To.ROOM, curation.Unpinned, logged=True),
        events.CHAT_CLEARED: Broadcast("Messages were cleared", To.ROOM, curation.Cleared, logged=True),
        events.CHAT_RESTORED: Broadcast("Cleared messages were restored", To.ROOM, curation.Restored, logged=True),
        events.CHAT_USER_JOINED: Broadcast("Somebody joined a small room", To.ROOM, chat.Presence),
        events.CHAT_USER_LEFT: Broadcast("Somebody left a small room", To.ROOM, chat.Presence),
        events.CHAT_ROOM_STATE: Broadcast("People joined or left a large room", To.ROOM, chat.RoomState),
        events.CHAT_SAMPLED: Broadcast("Not all messages were shown", To.ROOM, chat.Sampled),
        events.CHAT_SETTINGS: Broadcast("A room setting changed", To.ROOM, moderation.SettingsChanged, logged=True),
        events.CHAT_ANNOUNCEMENT: Broadcast(
            "A moderator made an announcement", To.ROOM, moderation.Announcement, logged=True
        ),
        events.CHAT_YOU: Broadcast("The user's rights in a room changed", To.SOCKET, chat.YourRights),
        events.CHAT_MUTED: Broadcast("The user was muted or unmuted", To.USER, moderation.Muted, typed=False),
        events.CHAT_UNMUTED: Broadcast("A mute was lifted", To.STAFF, moderation.Lifted, typed=False),
        events.CHAT_UNBANNED: Broadcast("A ban was lifted", To.STAFF, moderation.Lifted, typed=False),
        events.CHAT_REPORTS: Broadcast("Messages were reported or reviewed", To.STAFF, reports.OpenReports),
        events.STREAM_STATS: Broadcast("Every 5 s", To.STAFF, streaming.StreamStats),
    },
    STREAMING: _ALWAYS
    | {
        events.CONNECTION_SUCCESS: Broadcast("The socket is connected", To.SOCKET, accounts.ConnectionSuccess),
        events.STREAM_VIEWER_UPDATE: Broadcast("The viewer count changed", To.ROOM, streaming.ViewerUpdate),
        events.STREAM_HEARTS: Broadcast("Viewers sent hearts", To.ROOM, streaming.Hearts),
        events.STREAM_STARTED: Broadcast(
            "The stream started or resumed", To.ROOM, streaming.StreamStarted, typed=False, logged=True
        ),
        events.STREAM_ENDED: Broadcast("The stream ended", To.ROOM, streaming.StreamEnded, typed=False, logged=True),
    },
}
