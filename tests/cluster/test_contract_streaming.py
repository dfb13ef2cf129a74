"""The wire contract of `/streaming`: distinct viewers over tabs, transports and nodes."""

import asyncio
import itertools
import re
from datetime import datetime, timedelta

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop
from tests.cluster.stamps import unstamped

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@by_transport
async def test_a_viewer_is_counted_and_the_count_broadcast(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witness = await shop.viewer(key, node=1, transport=transport)
    socket = await shop.connect(await shop.person(), "/streaming", transport=transport)
    joined = await socket.call("stream:viewer:join", {"streamKey": key})
    assert set(joined) == {
        "streamKey",
        "viewerCount",
        "peakViewers",
        "totalViewers",
        "live",
        "cursor",
        "recovered",
    }
    assert (joined["streamKey"], joined["viewerCount"], joined["peakViewers"]) == (key, 2, 2)
    assert isinstance(joined["live"], bool)
    published = await witness.expect("stream:viewer:update", viewerCount=2)
    assert set(published) == {"type", "data"}
    assert published["type"] == "stream:viewer:update"
    assert set(published["data"]) == {"streamKey", "viewerCount", "timestamp"}
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.\d{3}Z", published["data"]["timestamp"])
    witness.take("stream:viewer:update")
    assert await socket.call("stream:viewer:leave", {"streamKey": key}) == {"streamKey": key, "viewerCount": 1}
    await witness.expect("stream:viewer:update", viewerCount=1)


async def test_sockets_of_one_person_are_one_viewer(shop: Shop) -> None:
    key = await shop.stream()
    ann, guest = await shop.person(), shop.guest()
    tabs = [await shop.connect(ann, "/streaming", node=node) for node in (0, 0, 1)]
    tabs += [await shop.connect(guest, "/streaming", node=node) for node in (0, 1)]
    counts = [(await tab.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] for tab in tabs]
    assert counts == [1, 1, 1, 2, 2]
    counts = [(await tab.call("stream:viewer:leave", {"streamKey": key}))["viewerCount"] for tab in tabs]
    assert counts == [2, 2, 1, 1, 0]


async def test_repeated_joins_and_leaves_have_no_effect(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.viewer(key)
    assert (await socket.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 1
    for _ in range(3):
        assert (await socket.call("stream:viewer:leave", {"streamKey": key}))["viewerCount"] == 0
    never_joined = await shop.connect(await shop.person(), "/streaming", node=1)
    assert (await never_joined.call("stream:viewer:leave", {"streamKey": key}))["viewerCount"] == 0


@by_transport
async def test_a_disconnected_viewer_is_not_counted(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witness = await shop.viewer(key, node=1)
    viewers = [await shop.viewer(key, transport=transport) for _ in range(3)]
    await witness.expect("stream:viewer:update", viewerCount=4)
    witness.take("stream:viewer:update")
    for socket in viewers:
        await socket.disconnect()
    await witness.expect("stream:viewer:update", viewerCount=1)


async def test_closing_one_of_two_tabs_keeps_the_viewer(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    stays, goes = [await shop.viewer(key, as_=ann, node=node) for node in (0, 1)]
    await goes.disconnect()
    other = await shop.connect(await shop.person(), "/streaming", node=1)
    assert (await other.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 2
    await stays.expect("stream:viewer:update", viewerCount=2)
    stays.refute("stream:viewer:update", viewerCount=0)


async def test_counts_from_and_to_zero_are_immediate_and_others_once_a_second(shop: Shop) -> None:
    key = await shop.stream()
    first = await shop.viewer(key)
    await first.expect("stream:viewer:update", within=0.8, viewerCount=1)
    clients = await asyncio.gather(*(shop.viewer(key, node=number % 2) for number in range(20)))
    await first.expect("stream:viewer:update", viewerCount=21)
    assert len(first.take("stream:viewer:update")) <= 2
    joined = await first.call("stream:viewer:join", {"streamKey": key})
    assert (joined["viewerCount"], joined["peakViewers"]) == (21, 21)
    for socket in clients:
        await socket.disconnect()
    await first.expect("stream:viewer:update", viewerCount=1)
    assert (await first.call("stream:viewer:join", {"streamKey": key}))["peakViewers"] == 21


@by_transport
async def test_start_and_end_of_a_stream_are_broadcast_on_both_nodes(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    viewers = [await shop.viewer(key, node=node, transport=transport) for node in (0, 1)]
    token = (await shop.owner()).token
    for action, event, live in (("start", "stream:started", True), ("stop", "stream:ended", False)):
        await shop.request("POST", f"/streams/{key}/{action}", token=token, status={200})
        for socket in viewers:
            published = await socket.expect(event)
            assert set(unstamped(published, f"stream:{key}")) == {"streamKey", "timestamp"}
            assert published["streamKey"] == key
        assert (await viewers[0].call("stream:viewer:join", {"streamKey": key}))["live"] is live


async def test_viewers_are_counted_again_when_a_stream_resumes(shop: Shop) -> None:
    key, token = await shop.stream(), (await shop.person("ADMIN")).token
    people = [await shop.person() for _ in range(3)]
    viewers = [await shop.viewer(key, as_=who, node=node) for who in people for node in (0, 1)]
    await shop.request("POST", f"/streams/{key}/start", token=token, status={200})
    await viewers[0].expect("stream:viewer:update", viewerCount=3)
    await shop.request("POST", f"/streams/{key}/stop", token=token, status={200})
    await viewers[0].expect("stream:viewer:update", viewerCount=0)
    late = await shop.connect(await shop.person(), "/streaming", node=1)
    joined = await late.call("stream:viewer:join", {"streamKey": key})
    assert (joined["live"], joined["viewerCount"]) == (False, 0)
    await viewers[5].call("stream:viewer:leave", {"streamKey": key})
    await viewers[4].disconnect()
    viewers[0].take("stream:viewer:update")
    await shop.request("POST", f"/streams/{key}/start", token=token, node=1, status={200})
    await viewers[0].expect("stream:viewer:update", viewerCount=3)
    back = await late.call("stream:viewer:join", {"streamKey": key, "since": joined["cursor"]})
    assert (back["recovered"], back["viewerCount"], back["peakViewers"], back["live"]) == (True, 3, 3, True)
    assert [(event["event"], event["payload"]["resumed"]) for event in back["events"]] == [("stream:started", True)]
    for viewer in viewers[:4]:
        await viewer.disconnect()
    await late.expect("stream:viewer:update", viewerCount=1)


async def test_scheduled_streams_are_broadcast_to_everybody(shop: Shop) -> None:
    sockets = [await shop.connect(await shop.person(), "/", node=node) for node in (0, 1)]
    key = f"next-{shop.guest().id}"
    stream = {"title": "Tomorrow", "key": key, "scheduledAt": "2099-01-01T12:00:00Z"}
    await shop.request("POST", "/streams", body=stream, token=(await shop.owner()).token, status={201})
    for socket in sockets:
        published = await socket.expect(
            "upcoming:updated", match=lambda published: key in [s["key"] for s in published["streams"]]
        )
        assert set(published) == {"streams"}
    cancelled = await shop.request("DELETE", f"/streams/{key}", token=(await shop.owner()).token, node=1, status={200})
    assert (cancelled["key"], cancelled["status"]) == (key, "CANCELLED")
    for socket in sockets:
        await socket.expect("upcoming:updated", lambda published: key not in [s["key"] for s in published["streams"]])


async def test_an_unknown_stream(shop: Shop) -> None:
    socket = await shop.connect(await shop.person(), "/streaming")
    assert (await socket.fail("stream:viewer:join", {"streamKey": "no-such-stream"}))["code"] == "NOT_FOUND"


async def test_streams_are_separate(shop: Shop) -> None:
    one, other = await shop.stream(), await shop.stream()
    here = await shop.viewer(one)
    await here.expect("stream:viewer:update", viewerCount=1)
    there = await shop.viewer(other)
    await there.expect("stream:viewer:update", viewerCount=1)
    here.refute("stream:viewer:update")


async def test_hearts_reach_viewers_on_every_node_added_up(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.viewer(key, node=1)
    guest = await shop.connect(shop.guest(), "/streaming")
    early = await guest.ask("stream:heart", {"streamKey": key})
    assert early["error"]["code"] == "NOT_IN_ROOM"
    await guest.call("stream:viewer:join", {"streamKey": key})
    assert await guest.call("stream:heart", {"streamKey": key, "count": 3}) == {"streamKey": key}
    told = await witness.expect("stream:hearts", streamKey=key)
    assert set(told) == {"type", "data"}
    assert (set(told["data"]), told["data"]["count"]) == ({"streamKey", "count", "timestamp"}, 3)
    assert (await guest.expect("stream:hearts"))["data"]["count"] == 3, "who sent them hears of them, too"
    for count in (0, 51):
        wrong = await guest.ask("stream:heart", {"streamKey": key, "count": count})
        assert wrong["error"]["code"] == "INVALID_PAYLOAD"


async def test_hearts_are_one_event_a_second_for_each_stream(shop: Shop) -> None:
    crowds = {await shop.stream(): 12, await shop.stream(): 5}
    watchers = {key: await shop.viewer(key, node=1) for key in crowds}
    senders = {key: await shop.viewer(key) for key in crowds}
    heard: dict[str, list[tuple[datetime, int]]] = {key: [] for key in crowds}
    for sent in (1, 2):
        await asyncio.gather(
            *(
                senders[key].call("stream:heart", {"streamKey": key})
                for key, crowd in crowds.items()
                for _ in range(crowd)
            )
        )
        for key, crowd in crowds.items():
            while sum(count for _, count in heard[key]) < sent * crowd:
                told = (await watchers[key].expect("stream:hearts", streamKey=key))["data"]
                heard[key].append((datetime.fromisoformat(told["timestamp"]), told["count"]))
    for key, crowd in crowds.items():
        assert sum(count for _, count in heard[key]) == 2 * crowd
        pauses = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(heard[key])]
        assert pauses
        assert min(pauses) > timedelta(seconds=0.9), "a broadcast a second, by the clock of the node"
