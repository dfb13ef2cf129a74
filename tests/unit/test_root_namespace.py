"""Sockets on `/` join some rooms without asking; which ones follows the role, which changes with a new token."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import Forbidden
from gateway.keys import ROOT, admins_room, everyone_room
from gateway.metrics import Metrics
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Role
from namespaces.root import RootNamespace
from namespaces.routes import Limit
from tests.doubles import principal
from tests.unit.test_server import FakeConnection

NOBODY: Any = None


def namespace() -> RootNamespace:
    shared: Any = SimpleNamespace(
        rates=dict.fromkeys(Limit, (1, 1.0)),
        handler_timeout=timedelta(seconds=1),
        limiter=None,
        registry=SimpleNamespace(add=lambda _: None),
    )
    storefront: Any = SimpleNamespace(resumes=None, orders=None, resumes_orders=None)
    return RootNamespace(shared, NOBODY, storefront)


async def test_administrators_get_events_of_orders_while_they_are_administrators() -> None:
    root, connection = namespace(), FakeConnection()
    socket: Any = Socket("sid", ROOT, connection, principal(Role.ADMIN, "ann"), Rooms(Metrics()))  # type: ignore[arg-type]
    await root.welcome(socket)
    assert socket.joined == {everyone_room(), admins_room()}
    assert set(socket.attending) == {admins_room()}, "what is missed there is sent when they come back"
    for role, receives in ((Role.MODERATOR, False), (Role.USER, False), (Role.ADMIN, True), (Role.ADMIN, True)):
        await root.renew(socket, principal(role, "ann"))
        assert (admins_room() in socket.joined, admins_room() in socket.attending) == (receives, receives)
        assert everyone_room() in socket.joined


async def test_a_former_administrator_does_not_recover_the_room_of_administrators() -> None:
    await namespace().check_return(principal(Role.ADMIN), admins_room())
    with pytest.raises(Forbidden):
        await namespace().check_return(principal(Role.MODERATOR), admins_room())
