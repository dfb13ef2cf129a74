"""Lists the connections of a person on all nodes, and ends one. Called by the HTTP edge and the people service."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import NotFound, Unavailable
from gateway.postgres.database import Database
from gateway.protocol.payloads.cluster import ConnectionList, ConnectionView
from gateway.realtime.notices import (
    ConnectionEnded,
    ConnectionsAsked,
    ConnectionsFound,
    ConnectionSought,
    Notice,
    NoticeSender,
    NoticeSource,
)
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from models.main.moderation import ModerationAction

WAIT: Final = 1.0  # s for the answers of nodes, which take a few ms
FRESH: Final = 5.0  # s since the last heartbeat of a node that is expected to answer

NODES: Final = "SELECT id, name FROM nodes WHERE seen_at > clock_timestamp() - make_interval(secs => $1)"


@dataclass
class _Question:
    """A question to all nodes, and the answers. `silent`: the names of processes that have not answered, by id."""

    silent: dict[str, str]
    found: list[ConnectionView] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class PersonConnections:
    """Asks all nodes. The answer names the nodes that did not answer within WAIT. Raises Unavailable."""

    def __init__(self, database: Database, notices: NoticeSender, source: NoticeSource, audit_log: AuditLog) -> None:
        self._database = database
        self._notices = notices
        self._audit_log = audit_log
        self._questions: dict[str, _Question] = {}
        source.on_notice(ConnectionsFound, self._answered)

    async def of(self, user_id: str) -> ConnectionList:
        """Return the connections of a user or guest on all nodes, the newest first."""
        question = secrets.token_hex(8)
        asked = await self._ask(question, ConnectionsAsked(question, user_id))
        items = sorted(asked.found, key=lambda connection: connection.connected_at, reverse=True)
        return ConnectionList(items=items, silent=sorted(set(asked.silent.values())))

    async def end(self, principal: Principal, connection_id: str) -> None:
        """End a connection; its client does not reconnect by itself.

        The audit log gets its entry before the connection ends, so that no connection ends without an entry.
        Raises NotFound if no node has it, and Unavailable if its node no longer answers.
        """
        question = secrets.token_hex(8)
        sought = await self._ask(question, ConnectionSought(question, connection_id), first=True)
        if not sought.found:
            raise NotFound("There is no such connection")
        [connection] = sought.found
        details = {"connectionId": connection.id, "node": connection.node, "username": connection.username}
        async with self._database.guard("connections.end"):
            await self._audit_log.record(
                ModerationAction.DISCONNECT, principal, subject_id=connection.user_id, details=details
            )
        question = secrets.token_hex(8)
        ended = await self._ask(question, ConnectionEnded(question, connection_id), first=True)
        if not ended.found and connection.node in ended.silent.values():
            raise Unavailable("the node of the connection")

    async def _ask(self, question: str, notice: Notice, *, first: bool = False) -> _Question:
        """Send a question, and wait for all answers, or with `first` until one has found something."""
        async with self._database.guard("connections.nodes"):
            rows = await self._database.query(NODES, FRESH)
        asked = self._questions[question] = _Question({row["id"]: row["name"] for row in rows})
        try:
            await self._notices.notify(notice)
            async with asyncio.timeout(WAIT):
                while asked.silent and not (first and asked.found):
                    asked.complete.clear()
                    await asked.complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._questions[question]
        return asked

    async def _answered(self, notice: ConnectionsFound) -> None:
        if (asked := self._questions.get(notice.question)) is not None:
            asked.silent.pop(notice.process, None)
            asked.found += [ConnectionView.model_validate(connection) for connection in notice.connections]
            asked.complete.set()
