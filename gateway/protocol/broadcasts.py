"""Every event that the gateway sends by itself, by namespace: when, to whom, with which payload. Read by the documents.

A new event of `events.py` that the gateway sends needs a row here. What clients send is in the namespaces' tables.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from gateway.keys import CHAT, ROOT, STREAMING
from gateway.protocol import (
    catalog,
    chat,
    curation,
    events,
    identity,
    jobs,
    moderation,
    notifications,
    orders,
    streaming,
)
from gateway.protocol.answers import ErrorEvent, Farewell
from gateway.protocol.wire import Payload


class To(StrEnum):
    """Who hears an event."""

    SOCKET = "this socket"
    ROOM = "the room"
    USER = "all sockets of one user"
    STAFF = "the administrators, moderators and the host in the room, and for `chat:unmuted` the person"
    ADMINS = "all administrators"
    BUYER_AND_ADMINS = "all sockets of the buyer, and all administrators"
    EVERYBODY = "everybody on this namespace"


class Broadcast(NamedTuple):
    """One event. On the wire its payload is `data`, `{type, data}` if it is `typed`; if `logged`, with a `Stamp`."""

    when: str
    to: To
    data: type[Payload]
    typed: bool = True
    logged: bool = False  # has a place in the room's log; clients also get an offset as the last argument


_ALWAYS = {
    events.ERROR: Broadcast("A request without an ack failed", To.SOCKET, ErrorEvent, typed=False),
    events.AUTH_EXPIRING: Broadcast("Its time ends within a minute", To.SOCKET, identity.Expiring, typed=False),
    events.AUTH_EXPIRED: Broadcast("Its time is over; its connection is closed", To.SOCKET, Farewell, typed=False),
    events.AUTH_REVOKED: Broadcast("Its token was revoked; it is disconnected", To.SOCKET, Farewell, typed=False),
    events.SERVER_SHUTDOWN: Broadcast("The node is about to end", To.SOCKET, Farewell, typed=False),
    events.CHAT_BANNED: Broadcast("It was banned; it is disconnected", To.USER, moderation.Banned, typed=False),
}

BROADCASTS: Mapping[str, Mapping[str, Broadcast]] = {
    ROOT: _ALWAYS
    | {
        events.CONNECTED: Broadcast("It was connected", To.SOCKET, identity.Connected, typed=False),
        events.USER_JOINED: Broadcast(
            "Somebody came, while there are few", To.ROOM, catalog.StreamPresence, typed=False
        ),
        events.USER_LEFT: Broadcast("Somebody went, while there are few", To.ROOM, catalog.StreamPresence, typed=False),
        events.UPCOMING_UPDATED: Broadcast(
            "Other streams are to come than before", To.EVERYBODY, streaming.UpcomingStreams, typed=False
        ),
        events.PRODUCT_ADDED: Broadcast("There is a new product", To.ROOM, catalog.Product, logged=True),
        events.PRODUCT_UPDATED: Broadcast("A product has changed", To.ROOM, catalog.Product, logged=True),
        events.PRODUCT_SOLDOUT: Broadcast("The last one was sold", To.ROOM, catalog.SoldOut, logged=True),
        events.PRODUCT_DELETED: Broadcast("A product is sold no more", To.ROOM, catalog.ProductGone, logged=True),
        events.PRODUCT_LOW_STOCK: Broadcast("Few are left", To.ROOM, catalog.LowStock, logged=True),
        events.FEATURED_PRODUCT_UPDATED: Broadcast(
            "Another product is shown first, or none", To.ROOM, catalog.FeaturedProduct, typed=False, logged=True
        ),
        events.ORDER_PURCHASE_NOTIFICATION: Broadcast(
            "Somebody has ordered something", To.ROOM, orders.Purchase, typed=False, logged=True
        ),
        events.NOTIFICATION_NEW: Broadcast("They have a notification", To.USER, notifications.Notification),
        events.JOB_UPDATE: Broadcast("A job of theirs has got further", To.USER, jobs.JobUpdate),
        events.ORDER_NEW: Broadcast("Somebody has ordered", To.ADMINS, orders.Order, logged=True),
        events.ORDER_PAID: Broadcast("An order was paid", To.ADMINS, orders.Order, logged=True),
        events.ORDER_CANCELLED: Broadcast("An order was cancelled", To.ADMINS, orders.Order, logged=True),
        events.ORDER_EXPIRED: Broadcast(
            "An order was not paid in time", To.BUYER_AND_ADMINS, orders.Order, logged=True
        ),
    },
    CHAT: _ALWAYS
    | {
        events.CONNECTION_SUCCESS: Broadcast("It was connected", To.SOCKET, identity.ConnectionSuccess),
        events.CHAT_HISTORY: Broadcast("It joined without asking for an ack", To.SOCKET, chat.HistoryEvent),
        events.CHAT_MESSAGE: Broadcast("Somebody wrote", To.ROOM, chat.Message, logged=True),
        events.CHAT_MESSAGE_DELETED: Broadcast("A message was deleted", To.ROOM, chat.MessageDeleted, logged=True),
        events.CHAT_PINNED: Broadcast("A message was pinned", To.ROOM, chat.PinnedMessage, logged=True),
        events.CHAT_UNPINNED: Broadcast("A message is pinned no more", To.ROOM, curation.Unpinned, logged=True),
        events.CHAT_CLEARED: Broadcast("Messages were deleted at once", To.ROOM, curation.Cleared, logged=True),
        events.CHAT_RESTORED: Broadcast("Deleted messages are back", To.ROOM, curation.Restored, logged=True),
        events.CHAT_USER_JOINED: Broadcast("Somebody came, while there are few", To.ROOM, chat.Presence),
        events.CHAT_USER_LEFT: Broadcast("Somebody went, while there are few", To.ROOM, chat.Presence),
        events.CHAT_ROOM_STATE: Broadcast("People came or went, once there are many", To.ROOM, chat.RoomState),
        events.CHAT_SETTINGS: Broadcast("A setting has changed", To.ROOM, moderation.SettingsChanged, logged=True),
        events.CHAT_ANNOUNCEMENT: Broadcast("A moderator announced", To.ROOM, moderation.Announcement, logged=True),
        events.CHAT_MUTED: Broadcast("They may not write, or may again", To.USER, moderation.Muted, typed=False),
        events.CHAT_UNMUTED: Broadcast("A mute was lifted", To.STAFF, moderation.Lifted, typed=False),
        events.CHAT_UNBANNED: Broadcast("A ban was lifted", To.STAFF, moderation.Lifted, typed=False),
    },
    STREAMING: _ALWAYS
    | {
        events.CONNECTION_SUCCESS: Broadcast("It was connected", To.SOCKET, identity.ConnectionSuccess),
        events.STREAM_VIEWER_UPDATE: Broadcast("Viewers came or went", To.ROOM, streaming.ViewerUpdate),
        events.STREAM_STARTED: Broadcast("It went live", To.ROOM, streaming.StreamStarted, typed=False, logged=True),
        events.STREAM_ENDED: Broadcast("It has ended", To.ROOM, streaming.StreamEnded, typed=False, logged=True),
    },
}
