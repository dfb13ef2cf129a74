"""Connections on all nodes: every process is waited for, and none is ended before it is in the audit log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import NotFound, Unavailable
from gateway.realtime.notices import ConnectionEnded, ConnectionsAsked, ConnectionsFound, ConnectionSought, Notice
from gateway.security.principal import Role
from gateway.services.nodes import person_connections
from gateway.services.nodes.person_connections import PersonConnections
from tests.doubles import principal, stand_in

NODES = {"node-1.old": "node-1", "node-1.new": "node-1", "node-2.a": "node-2"}  # a worker is being replaced


def view(connection_id: str, node: str) -> dict[str, Any]:
    """Return a connection as its node tells of it."""
    return {
        "id": connection_id,
        "node": node,
        "userId": "u1",
        "username": "ann",
        "role": "USER",
        "transport": "websocket",
        "address": "127.0.0.1",
        "connectedAt": "2026-01-01T00:00:00Z",
        "namespaces": ["/chat"],
        "rooms": [],
    }


class Cluster:
    """The database, the notices and the audit log of a cluster; `open` are the connections of each process."""

    def __init__(self) -> None:
        self.open = {process: [view(process, name)] for process, name in NODES.items()}
        self.told: list[str] = []
        self._hear: Callable[[ConnectionsFound], Awaitable[None]]

    @asynccontextmanager
    async def guard(self, _name: str) -> AsyncIterator[None]:
        yield

    async def query(self, *_: object) -> list[dict[str, str]]:
        return [{"id": process, "name": name} for process, name in NODES.items()]

    async def record(self, action: str, *_: object, **__: object) -> None:
        self.told.append(action)

    def on_notice(self, _kind: type[Notice], handler: Callable[[ConnectionsFound], Awaitable[None]]) -> None:
        self._hear = handler

    async def notify(self, notice: Notice) -> None:
        self.told.append(notice.kind)
        assert isinstance(notice, ConnectionsAsked | ConnectionSought | ConnectionEnded)
        for process, opened in list(self.open.items()):
            asked = None if isinstance(notice, ConnectionsAsked) else notice.connection_id
            found = [connection for connection in opened if asked in (None, connection["id"])]
            await self._hear(ConnectionsFound(notice.question, process, found))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def service(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> PersonConnections:
    monkeypatch.setattr(person_connections, "WAIT", 0.01)
    double = stand_in(cluster)
    return PersonConnections(double, double, double, double)


async def test_two_processes_of_one_name_are_both_waited_for(cluster: Cluster, service: PersonConnections) -> None:
    found = await service.of("u1")
    assert ({connection.id for connection in found.items}, found.silent) == (set(NODES), [])
    del cluster.open["node-1.new"]
    found = await service.of("u1")
    assert (len(found.items), found.silent) == (2, ["node-1"])


async def test_a_connection_is_in_the_audit_log_before_it_is_ended(
    cluster: Cluster, service: PersonConnections
) -> None:
    await service.end(principal(Role.ADMIN), "node-2.a")
    assert cluster.told == ["connection-sought", "DISCONNECT", "connection-ended"]
    with pytest.raises(NotFound):
        await service.end(principal(Role.ADMIN), "unknown")
    assert cluster.told[3:] == ["connection-sought"]


async def test_a_node_that_dies_before_it_ends_a_connection(cluster: Cluster, service: PersonConnections) -> None:
    notify = cluster.notify

    async def dies(notice: Notice) -> None:
        if isinstance(notice, ConnectionEnded):
            del cluster.open["node-2.a"]
        await notify(notice)

    cluster.notify = dies  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await service.end(principal(Role.ADMIN), "node-2.a")
