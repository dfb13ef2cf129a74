"""Deliveries on a real PostgreSQL: handed over, then marked; nothing lost and nothing repeated without need."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.errors import InvalidPayload, NotFound, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.notifications import MarkRead, SendNotification
from gateway.protocol.queries import NotificationQuery, Page
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal, Role
from gateway.services.notifications import deliveries as module
from gateway.services.notifications.deliveries import Deliveries
from gateway.services.notifications.notifications import Notifications
from models.main.notification import Notification
from models.main.user import User
from tests.doubles import principal, stand_in
from tests.local_fanout import LocalFanout
from tests.support import make_settings
from tests.timing import stays, until


class FakeSocket:
    """A socket that records the titles of notifications."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.dropped = False
        self.titles: list[str] = []

    def send(self, event: str, payload: Typed) -> None:
        assert event == payload.type == "notification:new"
        self.titles.append(payload.data.title)


class FakeEventsToUsers:
    """The connected users of one node."""

    def __init__(self) -> None:
        self._sockets: dict[str, list[Any]] = defaultdict(list)
        self._listeners: list[Callable[[str], None]] = []
        self._departures: list[Callable[[str, Any], None]] = []

    def on_arrival(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def on_departure(self, listener: Callable[[str, Any], None]) -> None:
        self._departures.append(listener)

    def disconnect(self, user_id: str, socket: FakeSocket, *, dropped: bool) -> None:
        socket.dropped = dropped
        self._sockets[user_id].remove(socket)
        for listener in self._departures:
            listener(user_id, socket)

    def connected(self) -> list[str]:
        return list(self._sockets)

    def sockets(self, user_id: str) -> list[Any]:
        return list(self._sockets.get(user_id, ()))

    def connect(self, user_id: str) -> FakeSocket:
        socket = FakeSocket(f"{user_id}-{len(self._sockets[user_id])}")
        self._sockets[user_id].append(socket)
        for listener in self._listeners:
            listener(user_id)
        return socket


class NoSink:
    def deliver(self, room: Any, packet: bytes, offset: str | None = None) -> None:
        raise AssertionError("notifications are not sent to a room")


class Cluster:
    """Two nodes with one database and one fan-out."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.fanout = LocalFanout(NoSink())
        self.users = [FakeEventsToUsers(), FakeEventsToUsers()]
        self.losses: int | None = 0
        self.nodes = [
            Deliveries(database, stand_in(users), self.fanout, lambda: self.losses, Metrics()) for users in self.users
        ]
        self.notifications = Notifications(database, self.fanout)
        self.lost = Notifications(database, LocalFanout(NoSink()))  # its notices reach no node

    async def person(self) -> str:
        number = await User.all().count()
        user = await User.create(email=f"p{number}@example.com", username="p", password_hash="-")
        return str(user.id)

    async def send(self, *people: str, title: str, lost: bool = False) -> str:
        body = {"userIds": list(people), "title": title, "message": "m"}
        service = self.lost if lost else self.notifications
        sent = await service.send(await self.admin(), SendNotification.model_validate(body))
        return sent.id

    async def admin(self) -> Principal:
        user, _ = await User.get_or_create(
            email="admin@example.com", defaults={"username": "boss", "password_hash": "-", "role": "ADMIN"}
        )
        return principal(Role.ADMIN, str(user.id))

    async def settle(self) -> None:
        for node in self.nodes:
            await node.deliver()

    @staticmethod
    async def waiting() -> int:
        return await Notification.filter(delivered_at=None).count()


@pytest.fixture
async def cluster(database_url: str) -> AsyncIterator[Cluster]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    yield Cluster(database)
    await database.close()


async def test_connected_users_get_notifications_on_every_socket(cluster: Cluster) -> None:
    person, other = await cluster.person(), await cluster.person()
    sockets = [cluster.users[0].connect(person), cluster.users[0].connect(person), cluster.users[1].connect(person)]
    await cluster.send(person, other, title="live")
    assert [socket.titles for socket in sockets] == [["live"]] * 3
    assert await cluster.waiting() == 2
    await cluster.settle()
    assert [socket.titles for socket in sockets] == [["live"]] * 3
    assert await cluster.waiting() == 1, "the other one is away"


async def test_concurrent_connects_get_each_notification_at_most_once(cluster: Cluster) -> None:
    person = await cluster.person()
    titles = [str(number) for number in range(module.EACH * 2 + 5)]
    for title in titles:
        await cluster.send(person, title=title)
    sockets = [cluster.users[node].connect(person) for node in (0, 1)]
    await asyncio.gather(*(node.deliver() for node in cluster.nodes))
    for socket in sockets:
        assert len(set(socket.titles)) == len(socket.titles)
        assert socket.titles == sorted(socket.titles, key=int), "the oldest first"
    assert set(sockets[0].titles) | set(sockets[1].titles) == set(titles)
    assert await cluster.waiting() == 0
    late = cluster.users[0].connect(person)
    await cluster.settle()
    assert late.titles == []


async def test_a_notification_with_a_lost_notice_is_found(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.02)
    person = await cluster.person()
    socket = cluster.users[1].connect(person)
    await cluster.settle()
    await cluster.send(person, title="lost", lost=True)
    cluster.nodes[1].start()
    await stays(lambda: socket.titles == [], seconds=0.2, what="it has no reason to look yet")
    cluster.losses = 1
    await until(lambda: socket.titles)
    monkeypatch.setattr(module, "RECHECK_DEAF", 0.02)
    cluster.losses = None
    await cluster.send(person, title="deaf", lost=True)
    await until(lambda: len(socket.titles) >= 2)
    await cluster.nodes[1].close()
    assert socket.titles == ["lost", "deaf"]
    assert await cluster.waiting() == 0


async def test_an_unmarked_notification_is_not_sent_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await cluster.person()
    socket = cluster.users[0].connect(person)
    await cluster.nodes[0].deliver()
    await cluster.send(person, title="once")
    query = cluster.database.query

    async def away(statement: str, *values: Any) -> list[dict[str, Any]]:
        if statement == module.MARK:
            raise Unavailable("database")
        return await query(statement, *values)

    monkeypatch.setattr(cluster.database, "query", away)
    for _ in range(2):
        cluster.users[0].connect(person)
        with pytest.raises(Unavailable):
            await cluster.nodes[0].deliver()
    monkeypatch.undo()
    await cluster.nodes[0].deliver()
    assert socket.titles == ["once"]
    assert await cluster.waiting() == 0


async def test_a_node_that_died_before_marking_has_it_sent_again(cluster: Cluster) -> None:
    person = await cluster.person()
    first = cluster.users[0].connect(person)
    await cluster.send(person, title="again")
    assert first.titles == ["again"]
    again = cluster.users[1].connect(person)
    await cluster.nodes[1].deliver()
    assert again.titles == ["again"]
    assert await cluster.waiting() == 0


async def test_a_notification_sent_to_a_dead_socket_waits_again(cluster: Cluster) -> None:
    person = await cluster.person()
    silent = cluster.users[0].connect(person)
    await cluster.send(person, title="in a tunnel")
    await cluster.settle()
    assert await cluster.waiting() == 0
    cluster.users[0].disconnect(person, silent, dropped=True)
    await cluster.settle()
    assert await cluster.waiting() == 1
    back = cluster.users[1].connect(person)
    await cluster.settle()
    assert (silent.titles, back.titles) == (["in a tunnel"], ["in a tunnel"])
    assert await cluster.waiting() == 0


async def test_a_user_with_a_new_socket_gets_what_a_dead_one_missed(cluster: Cluster) -> None:
    person = await cluster.person()
    silent = cluster.users[0].connect(person)
    await cluster.send(person, title="in a tunnel")
    await cluster.settle()
    back = cluster.users[0].connect(person)
    await cluster.settle()
    assert back.titles == [], "it counts as delivered"
    cluster.users[0].disconnect(person, silent, dropped=True)
    await cluster.settle()
    assert back.titles == ["in a tunnel"]
    assert await cluster.waiting() == 0


async def test_a_delivered_notification_is_not_sent_again(cluster: Cluster) -> None:
    person = await cluster.person()
    silent, closed, elsewhere = (cluster.users[node].connect(person) for node in (0, 0, 1))
    await cluster.send(person, title="heard")
    await cluster.settle()
    cluster.users[0].disconnect(person, closed, dropped=False)
    cluster.users[0].disconnect(person, silent, dropped=True)
    await cluster.settle()
    assert await cluster.waiting() == 0, "it was handed to one that was closed in good order"
    await cluster.send(person, title="there")
    await cluster.settle()
    silent = cluster.users[0].connect(person)
    await cluster.send(person, title="here and there")
    await cluster.settle()
    cluster.users[0].disconnect(person, silent, dropped=True)
    await cluster.nodes[0].deliver()
    assert await cluster.waiting() == 1, "this node does not know who heard it on others"
    cluster.users[1].connect(person)
    await cluster.nodes[1].deliver()
    assert elsewhere.titles == ["heard", "there", "here and there"]
    assert await cluster.waiting() == 0


async def test_an_unknown_recipient_prevents_sending(cluster: Cluster) -> None:
    person = await cluster.person()
    with pytest.raises(NotFound):
        await cluster.send(person, str(UUID(int=7)), title="x")
    assert await Notification.all().count() == 0
    await cluster.send(person, person, title="twice named, once sent")
    assert await Notification.all().count() == 1


async def test_a_token_without_an_account_does_not_affect_others(cluster: Cluster) -> None:
    person = await cluster.person()
    await cluster.send(person, title="x")
    cluster.users[0].connect("operator")
    socket = cluster.users[0].connect(person)
    await cluster.nodes[0].deliver()
    assert socket.titles == ["x"]


# --- what is listed -------------------------------------------------------------------------------------------------


async def test_mark_notifications_as_read(cluster: Cluster) -> None:
    ann, bob = await cluster.person(), await cluster.person()
    for number in range(4):
        await cluster.send(ann, bob, title=str(number))
    who = principal(Role.USER, ann)

    async def listed(**ask: Any) -> tuple[list[str], int]:
        page = await cluster.notifications.page(who, NotificationQuery.model_validate(ask))
        return [item.title for item in page.items], page.unread

    newest = (await cluster.notifications.page(who, NotificationQuery())).items[0]
    assert newest.read_at is None
    mark = MarkRead.model_validate({"ids": [newest.id, newest.id, str(uuid4())]})
    assert (await cluster.notifications.mark_read(who, mark)).unread == 3
    assert await listed() == (["3", "2", "1", "0"], 3)
    assert await listed(unread=True) == (["2", "1", "0"], 3)
    first = await cluster.notifications.page(who, NotificationQuery.model_validate({"unread": True, "limit": 2}))
    assert await listed(unread=True, limit=2, cursor=first.next_cursor) == (["0"], 3)
    foreign = (await cluster.notifications.page(principal(Role.USER, bob), NotificationQuery())).items[0]
    assert (await cluster.notifications.mark_read(who, MarkRead.model_validate({"ids": [foreign.id]}))).unread == 3
    assert (await cluster.notifications.mark_read(who, MarkRead())).unread == 0
    assert await listed(unread=True) == ([], 0)
    assert (await cluster.notifications.page(principal(Role.USER, bob), NotificationQuery())).unread == 4


async def test_administrators_list_sent_notifications(cluster: Cluster) -> None:
    ann, bob, carl = [await cluster.person() for _ in range(3)]
    cluster.users[0].connect(ann)
    ids = [await cluster.send(ann, bob, carl, title="three"), await cluster.send(bob, title="one")]
    await cluster.settle()
    await cluster.notifications.mark_read(principal(Role.USER, ann), MarkRead())
    one, three = (await cluster.notifications.sent(Page())).items
    assert [three.id, one.id] == ids
    assert (three.title, three.level, three.recipients, three.delivered, three.read) == ("three", "INFO", 3, 1, 1)
    assert (one.title, one.recipients, one.delivered, one.read, one.sent_by_name) == ("one", 1, 0, 0, "boss")
    page = await cluster.notifications.sent(Page.model_validate({"limit": 1}))
    assert [item.id for item in page.items] == [one.id]
    rest = await cluster.notifications.sent(Page.model_validate({"limit": 1, "cursor": page.next_cursor}))
    assert ([item.id for item in rest.items], rest.next_cursor) == ([three.id], None)
    with pytest.raises(InvalidPayload):
        await cluster.notifications.sent(Page.model_validate({"cursor": "x"}))
