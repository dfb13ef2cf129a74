"""The names of all events on the wire. Used by the namespaces and the services."""

from typing import Final

# --- every namespace, to one socket ---------------------------------------------------------------------------------
CONNECTED: Final = "connected"  # on `/`, after connecting
CONNECTION_SUCCESS: Final = "connection:success"  # on `/chat` and `/streaming`, after connecting
ERROR: Final = "error"
AUTH_EXPIRED: Final = "auth:expired"
AUTH_EXPIRING: Final = "auth:expiring"
AUTH_REVOKED: Final = "auth:revoked"
SERVER_SHUTDOWN: Final = "server:shutdown"

# --- every namespace, from a client ---------------------------------------------------------------------------------
AUTH_REFRESH: Final = "auth:refresh"

# --- /chat, from a client -------------------------------------------------------------------------------------------
CHAT_JOIN_ROOM: Final = "chat:join-room"
CHAT_LEAVE_ROOM: Final = "chat:leave-room"
CHAT_SEND_MESSAGE: Final = "chat:send-message"
CHAT_DELETE_MESSAGE: Final = "chat:delete-message"
CHAT_REPORT: Final = "chat:report"
CHAT_HISTORY: Final = "chat:history"  # also to a socket that joined without an ack
CHAT_MUTE_USER: Final = "chat:mute-user"
CHAT_UNMUTE_USER: Final = "chat:unmute-user"
CHAT_BAN_USER: Final = "chat:ban-user"
CHAT_UNBAN_USER: Final = "chat:unban-user"
CHAT_SLOW_MODE: Final = "chat:slow-mode"
CHAT_FREEZE: Final = "chat:freeze"
CHAT_ALLOW_GUESTS: Final = "chat:allow-guests"
CHAT_ANNOUNCE: Final = "chat:announce"
CHAT_PIN_MESSAGE: Final = "chat:pin-message"
CHAT_UNPIN_MESSAGE: Final = "chat:unpin-message"
CHAT_CLEAR: Final = "chat:clear"
CHAT_UNDO_CLEAR: Final = "chat:undo-clear"

# --- /chat, to the room ---------------------------------------------------------------------------------------------
CHAT_MESSAGE: Final = "chat:message"
CHAT_MESSAGE_DELETED: Final = "chat:message-deleted"
CHAT_USER_JOINED: Final = "chat:user-joined"
CHAT_USER_LEFT: Final = "chat:user-left"
CHAT_ROOM_STATE: Final = "chat:room-state"
CHAT_SAMPLED: Final = "chat:sampled"
CHAT_SETTINGS: Final = "chat:settings"
CHAT_ANNOUNCEMENT: Final = "chat:announcement"
CHAT_PINNED: Final = "chat:pinned"
CHAT_UNPINNED: Final = "chat:unpinned"
CHAT_CLEARED: Final = "chat:cleared"
CHAT_RESTORED: Final = "chat:restored"

# --- /chat, to one person -------------------------------------------------------------------------------------------
CHAT_MUTED: Final = "chat:muted"
CHAT_YOU: Final = "chat:you"
CHAT_UNMUTED: Final = "chat:unmuted"  # also to the staff of the room
CHAT_UNBANNED: Final = "chat:unbanned"  # to the staff of the room
CHAT_REPORTS: Final = "chat:reports"  # to the staff of the room
STREAM_STATS: Final = "stream:stats"  # to the staff of the room
CHAT_BANNED: Final = "chat:banned"  # in every namespace for a ban everywhere

# --- /streaming -----------------------------------------------------------------------------------------------------
STREAM_VIEWER_JOIN: Final = "stream:viewer:join"
STREAM_VIEWER_LEAVE: Final = "stream:viewer:leave"
STREAM_VIEWER_UPDATE: Final = "stream:viewer:update"
STREAM_HEART: Final = "stream:heart"
STREAM_HEARTS: Final = "stream:hearts"
STREAM_STARTED: Final = "stream:started"
STREAM_ENDED: Final = "stream:ended"

# --- / --------------------------------------------------------------------------------------------------------------
JOIN_STREAM: Final = "join:stream"
LEAVE_STREAM: Final = "leave:stream"
JOIN_ORDERS: Final = "join:orders"
USER_JOINED: Final = "user:joined"
USER_LEFT: Final = "user:left"
UPCOMING_UPDATED: Final = "upcoming:updated"
PRODUCT_ADDED: Final = "live:product:added"
PRODUCT_UPDATED: Final = "live:product:updated"
PRODUCT_SOLDOUT: Final = "live:product:soldout"
PRODUCT_DELETED: Final = "live:product:deleted"
PRODUCT_LOW_STOCK: Final = "product:low-stock"
FEATURED_PRODUCT_UPDATED: Final = "stream:featured-product:updated"
ORDER_PURCHASE_NOTIFICATION: Final = "order:purchase:notification"

# --- /, to one person -----------------------------------------------------------------------------------------------
NOTIFICATION_NEW: Final = "notification:new"
JOB_UPDATE: Final = "job:update"

# --- /, to administrators -------------------------------------------------------------------------------------------
ORDER_NEW: Final = "order:new"
ORDER_PAID: Final = "order:paid"
ORDER_CANCELLED: Final = "order:cancelled"
ORDER_EXPIRED: Final = "order:expired"  # also to the buyer


def success(event: str) -> str:
    """Return the name of the event that answers a request without an ack."""
    return f"{event}:success"
