"""Services on real servers, put together as a node does it. Used by the tests of services that need a stream or two."""

from typing import Any

from gateway.connections.database import Database
from gateway.connections.redis import Redis
from gateway.metrics import Metrics
from gateway.services.authority import Authority
from gateway.services.chat import Chat
from gateway.services.moderation_log import ModerationLog
from gateway.services.news import News
from gateway.services.room_log import RoomLog
from gateway.services.room_settings import RoomRules
from gateway.services.streams import Lists, Streams


def make_streams(database: Database, redis: Redis, fanout: Any) -> Streams:
    """The streams of one node."""
    return Streams(database, News(RoomLog(database), fanout), fanout, Lists(redis, Metrics()))


def make_rules(database: Database, fanout: Any) -> RoomRules:
    """How the chat rooms of one node are kept civil."""
    return RoomRules(database, RoomLog(database), Authority(database), ModerationLog(database), fanout)


def make_chat(database: Database, fanout: Any) -> Chat:
    """The chat of one node."""
    return Chat(database, RoomLog(database), make_rules(database, fanout), fanout)
