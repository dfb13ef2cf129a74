"""`dorami backup`: what a backup holds, what is refused, and what a restore leaves behind. On real servers."""

import json
import stat
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pyrage
import pytest
import redis.asyncio

from gateway import keys
from gateway.backup import redis as redis_backup
from gateway.backup import shelf
from gateway.backup.create import write_metrics
from gateway.backup.manifest import Manifest, parts
from gateway.backup.seal import unseal
from gateway.backup.shelf import Keep
from gateway.data.stops import Stop
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.settings import DEVELOPMENT_SECRET
from tests.integration.data.terminal import Said, at_terminal, dorami, right, wrong
from tests.redis_topologies import ClusterTopology
from tests.support import Databases, make_settings, server_folder


class Place:
    """A database and a Redis with something in them, and the command line for them."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        self.url = database_url
        self.redis_url = redis_url
        self.folder = folder

    async def dorami(self, *arguments: str, **environment: str) -> Said:
        return await dorami(*arguments, environment=self.environment | environment, group="backup")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "APP_ENV": "development",
            "RDS_MAIN_URL": self.url,
            "REDIS_URL": self.redis_url,
            "JWT_SECRET": DEVELOPMENT_SECRET,
            "BACKUP_FOLDER": str(self.folder),
        }

    async def create(self, *arguments: str) -> shelf.Entry:
        """Make a backup and return it."""
        said = await self.dorami("create", "--json", *arguments)
        assert said.code == 0, said.err
        return shelf.find(self.folder, json.loads(said.out)["backup"])

    async def restore(self, entry: shelf.Entry, *arguments: str, **environment: str) -> Said:
        """Restore a backup with the consent that its plan asks for."""
        plan = await self.dorami("restore", entry.id, *arguments, **environment)
        assert plan.code == 3, plan
        consent = plan.err.rpartition("--consent ")[2].split()[0]
        return await self.dorami("restore", entry.id, "--consent", consent, *arguments, **environment)

    async def run(self, statement: str, *values: Any) -> None:
        db = await asyncpg.connect(self.url)
        try:
            await db.execute(statement, *values)
        finally:
            await db.close()

    async def ask(self, statement: str, *values: Any) -> Any:
        db = await asyncpg.connect(self.url)
        try:
            return await db.fetchval(statement, *values)
        finally:
            await db.close()

    async def add_user(self, name: str) -> None:
        await self.run(
            "INSERT INTO users (id, email, username, password_hash, role, status, created_at, updated_at)"
            " VALUES ($1, $2 || '@example.com', $2, 'none', 'USER', 'ACTIVE', now(), now())",
            *(uuid4(), name),
        )


@pytest.fixture
async def place(database_url: str, redis_url: str, databases: Databases, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(database_url, redis_url, tmp_path / "backups")
    await place.add_user("민지")
    await place.run("INSERT INTO rooms (name, epoch, seq) VALUES ('/chat live:x', gen_random_uuid(), 7)")
    yield place
    name = database_url.partition("?")[0].rpartition("/")[2]
    left = await place.ask("SELECT array_agg(datname) FROM pg_database WHERE datname LIKE $1", f"{name}_before_%")
    for former in left or ():
        await databases.drop(database_url.replace(f"/{name}", f"/{former}"))


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def put_session(client: redis.asyncio.Redis, user: str, name: str) -> None:
    await client.hset(keys.session(user, name), mapping={"device": "폰", "token": "x"})
    await client.expire(keys.session(user, name), 3600)
    await client.zadd(keys.user_sessions(user), {name: 1.5})


async def test_a_backup_holds_databases_and_sessions_and_nobody_else_may_read_it(
    place: Place, client: redis.asyncio.Redis
) -> None:
    await put_session(client, "u1", "s1")
    await client.set(keys.revoked("u1", "sid", "s2"), "1", ex=60)
    await client.set("dorami:charges:chat:u1", "not kept")
    entry = await place.create()
    manifest = Manifest.read(entry.folder)
    [content] = manifest.databases
    assert content.rows["users"] == 1
    assert content.migration == await place.ask("SELECT version FROM aerich ORDER BY id DESC LIMIT 1")
    saved = {one.key: one for one in redis_backup.load(entry.folder / redis_backup.FILE)}
    assert saved.keys() == {keys.session("u1", "s1"), keys.user_sessions("u1"), keys.revoked("u1", "sid", "s2")}
    assert saved[keys.session("u1", "s1")].value == {"device": "폰", "token": "x"}
    assert manifest.redis == 3
    for path in (entry.folder, *entry.folder.rglob("*")):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) or path.parent == entry.folder / "main", path
    assert not entry.folder.stat().st_mode & 0o077
    said = await place.dorami("list")
    assert said.out.startswith(f"{entry.id}  main+redis")
    said = await place.dorami("verify")
    assert said.code == 0, said
    assert said.out.endswith(f"{entry.id} is whole.\n")
    assert await place.ask("SELECT count(*) FROM pg_database WHERE datname LIKE 'dorami_scratch_%'") == 0


async def test_a_restore_brings_back_what_was_and_renews_the_places_of_rooms(
    place: Place, client: redis.asyncio.Redis
) -> None:
    epoch = await place.ask("SELECT epoch FROM rooms WHERE seq > 0")
    entry = await place.create()
    await place.add_user("지훈")
    await place.run("UPDATE rooms SET seq = 12 WHERE seq > 0")
    stale = ["dorami:presence:/chat live:x", "stream:x:viewers", "dorami:socket:p1", "dorami:cache:{a:b}"]
    for key in stale:
        await client.set(key, "1")
    said = await place.restore(entry)
    assert said.code == 0, said
    assert await place.ask("SELECT array_agg(username::text) FROM users") == ["민지"]
    assert await place.ask("SELECT max(seq) FROM rooms") == 7
    assert await place.ask("SELECT epoch FROM rooms WHERE seq > 0") != epoch
    assert await client.exists(*stale) == 0
    former = said.out.partition("the former database is ")[2].split()[0]
    assert await place.ask("SELECT count(*) FROM pg_database WHERE datname = $1", former) == 1
    assert await place.ask("SELECT count(*) FROM pg_database WHERE datname LIKE 'dorami_restore_%'") == 0


async def test_production_is_restored_by_a_person_with_two_codes(place: Place) -> None:
    entry = await place.create()
    await place.add_user("지훈")
    production = place.environment | {"APP_ENV": "production", "JWT_SECRET": "a secret of this test, long enough"}
    said = await place.restore(entry, **production)
    assert (said.code, "--consent does not count in production" in said.err) == (3, True), said
    for replies in ([wrong], [right, wrong]):
        said = await at_terminal("restore", entry.id, environment=production, replies=replies, group="backup")
        assert (said.code, "Nothing was done." in said.err) == (3, True), said
    assert await place.ask("SELECT count(*) FROM users") == 2
    said = await at_terminal("restore", entry.id, environment=production, replies=[right, right], group="backup")
    assert said.code == 0, said
    assert await place.ask("SELECT count(*) FROM users") == 1


async def test_the_plan_says_what_is_lost(place: Place) -> None:
    entry = await place.create()
    await place.add_user("지훈")
    await place.add_user("서연")
    said = await place.dorami("restore", entry.id)
    assert said.code == 3
    assert "more than the backup has now: users 2" in said.err
    assert "Nothing was done." in said.err
    assert await place.ask("SELECT count(*) FROM users") == 3


async def test_whoever_logged_out_since_the_backup_stays_out(place: Place, client: redis.asyncio.Redis) -> None:
    """With Redis as it is: its sessions are newer. With Redis lost: the living database knows the revocations."""
    await put_session(client, "u1", "left")
    await put_session(client, "u2", "stays")
    entry = await place.create()
    await client.delete(keys.session("u1", "left"), keys.user_sessions("u1"))
    later = datetime.now(UTC) + timedelta(hours=1)
    name = keys.revoked("u1", "sid", "left")
    await place.run("INSERT INTO revocations (key, value, expires_at) VALUES ($1, '1', $2)", name, later)

    said = await place.restore(entry)
    assert "kept its sessions, which are newer" in said.out
    assert await client.exists(keys.session("u1", "left")) == 0
    assert await client.exists(keys.session("u2", "stays")) == 1
    assert await place.ask("SELECT count(*) FROM revocations WHERE key = $1", name) == 1

    await client.flushdb()
    said = await place.restore(entry)
    assert "restored 4 keys" in said.out
    assert 0 < await client.ttl(keys.session("u2", "stays")) <= 3600
    assert await client.zscore(keys.user_sessions("u2"), "stays") == 1.5
    assert await place.ask("SELECT count(*) FROM revocations WHERE key = $1", name) == 1, "so nodes refuse this session"


async def test_nothing_is_restored_while_somebody_is_connected(place: Place) -> None:
    entry = await place.create()
    node = await asyncpg.connect(place.url, server_settings={"application_name": "dorami node"})
    try:
        said = await place.dorami("restore", entry.id)
        assert said.code == 3
        assert "stop all nodes and job workers first" in said.err
        assert "dorami node from" in said.err
        said = await place.dorami("after-restore")
        assert said.code == 3
    finally:
        await node.close()


async def test_after_restore_renews_places_and_forgets_presence(place: Place, client: redis.asyncio.Redis) -> None:
    epoch = await place.ask("SELECT epoch FROM rooms WHERE seq > 0")
    await client.set("dorami:socket:p1", "1")
    said = await place.dorami("after-restore")
    assert said.code == 0, said
    assert await place.ask("SELECT epoch FROM rooms WHERE seq > 0") != epoch
    assert await client.exists("dorami:socket:p1") == 0


DAMAGES = {
    "a file is shorter": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a byte is different": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"),
    "a file is missing": lambda path: path.unlink(),
    "a file is new": lambda path: path.with_name("extra").write_bytes(b"x"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_every_damage_is_found(tmp_path: Path, damage: Any) -> None:
    file = tmp_path / "main" / "toc.dat"
    file.parent.mkdir()
    file.write_bytes(b"contents")
    content = {"version": "0", "seconds": 0, "databases": [], "redis": None, "created_at": datetime.now(UTC)}
    Manifest.model_validate(content | {"parts": parts(tmp_path)}).write(tmp_path)
    Manifest.read(tmp_path).check(tmp_path)
    damage(file)
    with pytest.raises(Stop, match="is damaged"):
        Manifest.read(tmp_path).check(tmp_path)


async def test_a_damaged_backup_is_neither_verified_nor_restored(place: Place) -> None:
    entry = await place.create()
    toc = entry.folder / "main" / "toc.dat"
    toc.write_bytes(toc.read_bytes()[:-1])
    for said in (await place.dorami("verify"), await place.restore(entry)):
        assert said.code == 1, said
        assert "is damaged" in said.err
    assert await place.ask("SELECT count(*) FROM pg_database WHERE datname LIKE 'dorami_restore_%'") == 0


async def test_an_encrypted_backup_is_read_with_its_key_only(place: Place, tmp_path: Path) -> None:
    identity, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    right, wrong, empty = tmp_path / "right", tmp_path / "wrong", tmp_path / "empty"
    right.write_text(f"# created: today\n{identity}\n")
    wrong.write_text(f"{other}\n")
    empty.write_text("nothing\n")
    entry = await place.create("--recipient", str(identity.to_public()))
    assert all(path.suffix == ".age" for path in (entry.folder / "main").iterdir())
    assert "민지".encode() not in b"".join(p.read_bytes() for p in entry.folder.rglob("*") if p.is_file())
    for key, problem in (
        (None, "say --identity FILE"),
        (wrong, "was made for another key"),
        (empty, "has no secret key of age"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(Stop, match=problem):
            unseal(entry.folder, tmp_path / "plain", key)
    said = await place.dorami("verify", "--identity", str(right))
    assert said.code == 0, said
    await place.add_user("지훈")
    said = await place.restore(entry, "--identity", str(right))
    assert said.code == 0, said
    assert await place.ask("SELECT count(*) FROM users") == 1


async def test_a_backup_that_fails_leaves_nothing_behind(place: Place) -> None:
    for environment, text in (
        ({"RDS_MAIN_URL": place.url.replace("test_", "none_")}, "does not exist on its server"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "redis"),
    ):
        said = await place.dorami("create", **environment)
        assert said.code == 1, said
        assert text in said.err
    assert not place.folder.exists() or not list(place.folder.iterdir())
    said = await place.dorami("create", "--no-redis", REDIS_URL="redis://127.0.0.1:1/0")
    assert said.code == 0, "PostgreSQL can be backed up while Redis is away"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["create", "--keep", "7"], 2, "write how many days"),
        (["create", "--recipient", "nobody"], 2, "not a public key of age"),
        (["verify", "20200101T000000Z"], 1, "there is no backup 20200101T000000Z"),
        (["restore", "../etc"], 1, "there is no backup ../etc"),
        (["verify"], 1, "there is no backup in"),
        (["restore"], 2, ""),
    ],
)
async def test_wrong_arguments(place: Place, arguments: list[str], code: int, text: str) -> None:
    said = await place.dorami(*arguments)
    assert said.code == code, said
    assert text in said.err


async def test_the_shelf_keeps_the_newest_of_days_weeks_and_months(tmp_path: Path) -> None:
    newest = datetime(2026, 11, 30, 3, tzinfo=UTC)
    content = {"version": "0", "seconds": 0, "databases": [], "redis": None, "parts": []}
    for days in range(400):
        moment = newest - timedelta(days=days)
        for hour in (0, 12):
            folder = tmp_path / shelf.name(moment.replace(hour=hour))
            folder.mkdir()
            Manifest.model_validate(content | {"created_at": moment}).write(folder)
    (tmp_path / "20990101T000000Z").mkdir()  # one that is being made
    old = {entry.id for entry in shelf.superfluous(shelf.entries(tmp_path), Keep.parse("7/4/12"))}
    kept = [entry.id for entry in shelf.entries(tmp_path) if entry.id not in old]
    assert kept[0] == "20990101T000000Z", "what is not finished is not deleted"
    newest_days = [name[:8] for name in kept[1:8]]
    assert newest_days == ["20261130", "20261129", "20261128", "20261127", "20261126", "20261125", "20261124"]
    assert all(name.endswith("T120000Z") for name in kept[1:])
    months = {name[:6] for name in kept[1:]}
    assert len(months) == 12
    assert len(kept) - 1 <= 7 + 4 + 12


async def test_the_age_of_the_newest_backup_is_a_metric(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "dorami_backup.prom"
    before = time.time()
    entry = await place.create("--metrics-file", str(file))
    values = dict(line.split() for line in file.read_text().splitlines() if not line.startswith("#"))
    assert before - 2 <= int(values["dorami_backup_timestamp_seconds"]) <= time.time()
    assert int(values["dorami_backup_bytes"]) == Manifest.read(entry.folder).size
    with pytest.raises(Stop, match="--metrics-file"):
        write_metrics(tmp_path / "none" / "file", place.folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterTopology]:
    with server_folder() as folder, ClusterTopology(folder) as cluster:
        yield cluster


async def test_a_cluster_is_saved_and_restored_as_a_whole(cluster: ClusterTopology, tmp_path: Path) -> None:
    client = RedisClient(make_settings(redis_url=cluster.url), Metrics())
    try:
        for number in range(300):
            await client.client.hset(keys.session(f"u{number}", "s"), mapping={"device": str(number)})
            await client.client.rpush(keys.spent_refresh_tokens(f"u{number}", "s"), "b", "a")
            await client.client.set(keys.socket_session(f"p{number}"), "x")
        counts: list[int] = []
        assert await redis_backup.save(client, tmp_path / "keys.gz", counts.append) == 600
        assert counts[-1] == 600
        assert await redis_backup.forget_stale(client) == 300
        cluster.flush()
        assert not await redis_backup.holds_sessions(client)
        entries = redis_backup.load(tmp_path / "keys.gz")
        assert await redis_backup.put(client, entries, round(time.time() * 1000)) == 600
        assert await redis_backup.put(client, entries, round(time.time() * 1000)) == 0, "what is there stays"
        assert await client.client.lrange(keys.spent_refresh_tokens("u7", "s"), 0, -1) == ["b", "a"]
        assert await redis_backup.holds_sessions(client)
    finally:
        await client.close()
