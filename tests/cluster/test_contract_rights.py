"""What somebody may do in a room: told when they join, and by `chat:you` whenever it changes."""

from typing import Any

from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop

HOST_POWERS = ["ANNOUNCE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
ADMIN_POWERS = ["ANNOUNCE", "BAN", "CLEAR", "DELETE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
MAY: dict[str, Any] = {"canSend": True, "mutedUntil": None, "moderator": False, "powers": []}


async def joined(socket: ClientSocket, key: str) -> Any:
    return (await socket.call("chat:join-room", {"liveId": key}))["you"]


async def published(socket: ClientSocket, key: str, **rights: Any) -> Any:
    """Return the next `chat:you` of a socket, which says this."""
    event = await socket.expect("chat:you")
    assert event["type"] == "chat:you"
    assert set(event["data"]) == {"liveId", *MAY}
    assert {name: event["data"][name] for name in rights} == rights
    assert event["data"]["liveId"] == key
    return event["data"]


async def test_a_join_has_the_rights_of_each_role(shop: Shop) -> None:
    key = await shop.stream()
    owner = await shop.owner()
    for person, moderator, powers in [
        (await shop.person(), False, []),
        (await shop.person("HOST"), False, []),
        (await shop.person("MODERATOR"), True, HOST_POWERS),
        (owner, True, ADMIN_POWERS if owner.role == "ADMIN" else HOST_POWERS),
        (await shop.person("ADMIN"), True, ADMIN_POWERS),
    ]:
        you = await joined(await shop.connect(person, "/chat"), key)
        assert (you["role"], you["canSend"], you["moderator"], you["powers"]) == (
            person.role,
            True,
            moderator,
            powers,
        )


async def test_rights_change_with_mutes_on_all_nodes(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
    tabs = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    other = await shop.chatter(key)
    for tab in tabs:
        assert await joined(tab, key) == MAY | {"userId": ann.id, "username": ann.username, "role": "USER"}
    mute = {"liveId": key, "userId": ann.id}
    until = (await admin.call("chat:mute-user", mute))["until"]
    for tab in tabs:
        await published(tab, key, canSend=False, mutedUntil=until, moderator=False)
    await admin.call("chat:unmute-user", mute)
    for tab in tabs:
        assert await published(tab, key) == MAY | {"liveId": key}
    until = (await admin.call("chat:mute-user", mute | {"seconds": 1}))["until"]
    for tab in tabs:
        await published(tab, key, canSend=False, mutedUntil=until)
        assert await published(tab, key) == MAY | {"liveId": key}, "it has ended by itself"
    assert (await tabs[0].call("chat:send-message", {"liveId": key, "message": "again"}))["seq"] > 0
    for nobody in (admin, other):
        nobody.refute("chat:you")


async def test_rights_change_with_settings_and_roles(shop: Shop) -> None:
    key, bob = await shop.stream(), await shop.person()
    admin_person = await shop.person("ADMIN")
    admin = await shop.chatter(key, as_=admin_person)
    member = await shop.chatter(key, as_=bob, node=1)
    guest = await shop.chatter(key, as_=shop.guest(), node=1)
    assert not (await joined(guest, key))["canSend"]
    await admin.call("chat:allow-guests", {"liveId": key, "allowed": True})
    await published(guest, key, canSend=True)
    await admin.call("chat:freeze", {"liveId": key, "frozen": True})
    for socket in (member, guest):
        await published(socket, key, canSend=False, mutedUntil=None)
    body = {"role": "MODERATOR"}
    await shop.request("PATCH", f"/users/{bob.id}", body=body, token=admin_person.token, status={200})
    await published(member, key, canSend=True, moderator=True, powers=HOST_POWERS)
    await admin.call("chat:freeze", {"liveId": key, "frozen": False})
    await published(guest, key, canSend=True)
    await admin.call("chat:slow-mode", {"liveId": key, "seconds": 5})
    await member.call("chat:send-message", {"liveId": key, "message": "done"})
    await guest.expect("chat:message")
    for socket in (admin, member, guest):
        socket.refute("chat:you")


async def test_a_recovered_socket_gets_changed_rights(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
    member = await shop.chatter(key, as_=ann)
    await member.drop()
    await admin.call("chat:mute-user", {"liveId": key, "userId": ann.id})
    await member.reconnect(url=shop.urls[1])
    assert member.recovered
    await published(member, key, canSend=False)


async def test_a_former_host_has_no_rights_in_the_stream(shop: Shop) -> None:
    admin, host, ann = await shop.person("ADMIN"), await shop.person("HOST"), await shop.person()
    key = f"{host.username}-show"
    body = {"title": "Show", "key": key}
    await shop.request("POST", "/streams", body=body, token=host.token, status={201})
    sockets = [await shop.chatter(key, as_=host, node=node) for node in (0, 1)]
    mute, freeze = {"liveId": key, "userId": ann.id}, {"liveId": key, "frozen": True}
    await sockets[0].call("chat:mute-user", mute)
    for role, powers in (("USER", []), ("HOST", HOST_POWERS), ("USER", [])):
        await shop.request("PATCH", f"/users/{host.id}", body={"role": role}, token=admin.token, status={200})
        for socket in sockets:
            await published(socket, key, moderator=bool(powers), powers=powers, canSend=True)
    for socket in sockets:
        for event, ask in (("chat:unmute-user", mute), ("chat:freeze", freeze), ("chat:mute-user", mute)):
            assert (await socket.fail(event, ask))["code"] == "FORBIDDEN"
        assert (await joined(socket, key))["powers"] == []
    staff = await shop.chatter(key, as_=admin)
    await staff.call("chat:unmute-user", mute)
    await staff.expect("chat:unmuted")
    await staff.call("chat:freeze", freeze)
    for socket in sockets:
        await published(socket, key, canSend=False)
        socket.refute("chat:unmuted")
        assert (await socket.fail("chat:send-message", {"liveId": key, "message": "mine"}))["code"] == "ROOM_FROZEN"
    await staff.call("chat:mute-user", {"liveId": key, "userId": host.id})
    for socket in sockets:
        assert (await socket.fail("chat:send-message", {"liveId": key, "message": "mine"}))["code"] == "MUTED"
