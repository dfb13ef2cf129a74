"""Which Redis a URL means, and where a command to a cluster goes; nothing is connected."""

import pytest
from redis.asyncio.connection import UnixDomainSocketConnection

from gateway import keys
from gateway.keys import Room, chat_room, products_room, viewers_room
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.redis.cluster import slot
from gateway.redis.cluster_client import slot_of
from gateway.redis.primary import PrimaryConnection, PrimaryTlsConnection
from gateway.redis.sentinel import MasterConnection
from gateway.redis.url import describe, server_list
from gateway.settings import SettingsError
from tests.support import make_settings


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://:secret@cache:6380/3", PrimaryConnection),
        ("rediss://cache", PrimaryTlsConnection),
        ("unix:///run/redis.sock?db=3", UnixDomainSocketConnection),
        ("redis-sentinel://:secret@one:26379,two:26379/main", MasterConnection),
    ],
)
def test_the_forms_with_one_server_at_a_time(url: str, kind: type) -> None:
    redis = RedisClient(make_settings(redis_url=url), Metrics())
    assert type(redis.connection()) is kind
    assert "secret" not in repr(redis.connection())


def test_sentinel_urls() -> None:
    said = server_list("redis-sentinel://us%40er:se%2Fcret@one:1,two,[::1]:3/main")
    assert said is not None
    assert said.addresses == (("one", 1), ("two", 26379), ("::1", 3))
    assert (said.service, said.username, said.password) == ("main", "us@er", "se/cret")
    assert "cret" not in repr(said)
    plain = server_list("redis-sentinel://one")
    assert plain is not None
    assert (plain.service, plain.username, plain.password) == ("mymaster", None, None)


def test_cluster_urls() -> None:
    said = server_list("redis-cluster://:secret@one:7000,two")
    assert said is not None
    assert said.addresses == (("one", 7000), ("two", 6379))
    assert (said.username, said.password) == (None, "secret")
    redis = RedisClient(make_settings(redis_url="redis-cluster://:secret@one:7000,two"), Metrics())
    assert redis.cluster is not None
    with pytest.raises(ValueError, match="each of its servers"):
        redis.connection()


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("redis://:secret@cache:6380/3", "one server"),
        ("redis-sentinel://:secret@one,two,three", "master mymaster of 3 sentinels"),
        ("redis-cluster://:secret@one,two", "cluster, found by 2 of its servers"),
    ],
)
def test_urls_described_in_words(url: str, form: str) -> None:
    assert describe(url) == form


@pytest.mark.parametrize(
    "url",
    [
        "redis-sentinel://:secret@one,,two",
        "redis-sentinel://:secret@one:x",
        "redis-sentinel://:secret@one:70000",
        "redis-sentinel://:secret@one/main?db=1",
        "redis-cluster://:secret@one two",
        "redis-cluster://:secret@one/3",
        "redis://:secret@one/nothing:x?db=secret",
    ],
)
def test_an_invalid_url_is_reported_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RedisClient(make_settings(redis_url=url), Metrics())
    (line,) = caught.value.lines
    assert line.startswith("REDIS_URL: ")
    assert "secret" not in f"{caught.value!r}{caught.value}"


@pytest.mark.parametrize("room", [chat_room("demo"), viewers_room("demo"), products_room("demo"), Room("/", "x y")])
def test_keys_of_one_script_are_in_one_slot(room: Room) -> None:
    helpers = [keys.presence_peak(room), keys.node_presence("n", room), keys.node_buried("n", room)]
    assert {slot(name) for name in helpers} == {slot(keys.presence(room))}
    assert slot(keys.node_rooms("n")) == slot(keys.nodes())
    user = [keys.session("u", "s"), keys.spent_refresh_tokens("u", "s"), keys.refresh_salt("u", "s")]
    user += [keys.user_sessions("u"), keys.revoked("u", "sid", "x"), keys.revoked("u", "sub")]
    assert len({slot(name) for name in user}) == 1


def test_the_key_of_viewers_has_the_documented_name() -> None:
    assert keys.presence(viewers_room("demo")) == "stream:demo:viewers"


@pytest.mark.parametrize("command", [("GET", "k"), ("EVALSHA", "sha", 1, "k", "arg"), ("EVAL", "text", 2, "k", "{k}2")])
def test_a_command_is_routed_by_its_first_key(command: tuple[str, ...]) -> None:
    assert slot_of(command) == slot("k") == 7629


@pytest.mark.parametrize(
    "command", [("KEYS", "*"), ("SCRIPT LOAD", "x"), ("INFO",), ("EVAL", "text", 0), ("PUBLISH", "c", "d")]
)
def test_a_command_without_a_key_is_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="has no key"):
        slot_of(command)
