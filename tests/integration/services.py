"""Services on real servers, put together as a node does it. Used by the tests of services that need a stream or two."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import History
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.chat import Chat
from gateway.services.chat.messages import Messages
from gateway.services.chat.snapshot import Snapshots
from gateway.services.chat.standing import Standings
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.room_settings import RoomSettingsService
from gateway.services.moderation.word_lists import WordLists
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.stream_lists import StreamListCache, StreamLists
from gateway.services.streams.streams import Streams
from models.main.user import User

DAY = timedelta(days=1)
GRACE, REOPEN = timedelta(seconds=30), timedelta(minutes=30)  # of streams


def older(key: str, before: str | None, limit: int) -> History:
    """Asks for a page of a room's messages."""
    return History.model_validate({"liveId": key, "before": before, "limit": limit})


async def add_account(who: Principal) -> None:
    """Store an account for a principal."""
    email = f"{who.user_id}@example.com"
    await User.create(id=UUID(who.user_id), email=email, username=who.username, password_hash="-", role=who.role.value)


def make_stream_lists(database: Database, redis: RedisClient, fanout: Any) -> StreamLists:
    """Return the lists of streams of one node."""
    return StreamLists(database, fanout, StreamListCache(redis, Metrics()))


def make_streams(database: Database, redis: RedisClient, fanout: Any) -> Streams:
    """Return the streams of one node."""
    outbox, lists = Outbox(database, RoomLog(database), fanout), make_stream_lists(database, redis, fanout)
    return Streams(database, outbox, fanout, lists, AuditLog(database), grace=GRACE, reopen=REOPEN)


def make_room_settings(database: Database, fanout: Any) -> RoomSettingsService:
    """How the chat rooms of one node are kept civil."""
    log = RoomLog(database)
    outbox = Outbox(database, log, fanout)
    return RoomSettingsService(database, log, outbox, Permissions(database), AuditLog(database), fanout)


def make_chat(database: Database, fanout: Any) -> Chat:
    """Return the chat of one node, in which no words are listed."""
    log, metrics, messages = RoomLog(database), Metrics(), Messages(database)
    permissions, audit_log = Permissions(database), AuditLog(database)
    pins = Pins(database, log, Outbox(database, log, fanout), permissions, audit_log)
    newest = Snapshots(database, log, messages, pins, metrics)
    words = WordLists(database, audit_log, metrics)
    return Chat(database, log, messages, newest, Standings(database), words, fanout)


class Curators:
    """What looks after the messages of one node's chat rooms."""

    def __init__(self, database: Database, fanout: Any, patience: timedelta = DAY) -> None:
        log, metrics = RoomLog(database), Metrics()
        outbox, permissions, self.audit_log = Outbox(database, log, fanout), Permissions(database), AuditLog(database)
        self.pins = Pins(database, log, outbox, permissions, self.audit_log)
        self.deletions = Deletions(database, log, outbox, permissions, self.audit_log, self.pins, metrics)
        self.clears = Clears(database, log, outbox, permissions, self.audit_log, self.pins, metrics, patience)
