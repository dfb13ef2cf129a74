"""The release before and this one side by side, for as long as a roll takes: what `docs/upgrading.md` promises.

The release before is taken from the history of this clone, and runs with the packages that are installed today.
"""

import asyncio
import importlib.util
import io
import signal
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.client.client import Client
from tests.cluster.faulty_cluster import balancer
from tests.cluster.shop import Shop
from tests.cluster.test_rolls import Member
from tests.support import Node
from tests.timing import until

ROOT = Path(__file__).parents[2]
BEFORE = "1e4dc2a1d4d8e6005c9f5aa3f64c4ccb3c97b2d5"  # 0.1.0, which has no tag; later ones have
PACKAGES = ("gateway", "namespaces", "models", "migrations", "web")

# What 0.1.0 takes from a library that is no longer installed: its queue of jobs, which this test does not use.
TASKIQ = {
    "__init__.py": "class AsyncBroker:\n    pass\n\n\nclass BrokerMessage:\n    pass\n",
    "exceptions.py": "class SendTaskError(Exception):\n    pass\n",
    "kicker.py": "class AsyncKicker(dict):\n    def __init__(self, *_):\n        pass\n",
    "receiver.py": "class Receiver:\n    pass\n",
}


def git(*arguments: str) -> bytes:
    """Run git and return its output; skip the test where the clone has no history."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this clone lacks the release before: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture(scope="session")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the code of the previous release."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD~1").decode().split()
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(git("archive", tags[0] if tags else BEFORE, *PACKAGES))) as archive:
        archive.extractall(folder, filter="data")
    if importlib.util.find_spec("taskiq") is None:
        (folder / "taskiq").mkdir()
        for name, text in TASKIQ.items():
            (folder / "taskiq" / name).write_text(text)
    return folder


class NodeBefore(Node):
    """A node of the release before."""

    program = (sys.executable, "-P", "-m", "gateway")


async def test_a_roll_from_the_release_before(
    release_before: Path, client: Client, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    # One name for both, as when a machine's only node is replaced, and a time zone for each and for PostgreSQL.
    servers = {"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url, "NODE_ID": "node"}
    old = NodeBefore(tmp_path, **servers, PYTHONPATH=str(release_before), TZ="America/New_York")
    new = Node(tmp_path, **servers, TZ="Asia/Seoul")
    await in_time_zone(empty_database_url, "Asia/Kolkata")
    where: list[Node] = [old]
    async with (
        old,
        asyncpg.create_pool(empty_database_url, min_size=1, max_size=2) as database,
        aiohttp.ClientSession() as http,
        balancer(lambda: where[0].url) as url,
    ):
        shop = Shop([old], client, http, database)
        key, token = "a-show", (await shop.owner()).token
        await shop.request("POST", "/streams", body={"title": "A show", "key": key}, token=token, status={201})
        people = await shop.clients(4)
        members = [Member(client, url, person, key, "websocket") for person in people[:2]]
        await asyncio.gather(*(member.join() for member in members))

        async with new:  # it migrates the database under the old one
            where[0] = new
            members += [Member(client, url, person, key, "websocket") for person in people[2:]]
            await asyncio.gather(*(member.join() for member in members[2:]))

            await all_talk(members, 5)
            shop.nodes.append(new)
            moderator = await shop.connect(await shop.person("MODERATOR"), "/chat", node=1)
            await moderator.call("chat:join-room", {"liveId": key})
            muted = {"liveId": key, "userId": people[0].id, "seconds": 60}
            await moderator.call("chat:mute-user", muted)
            assert (await members[0].socket.ask("chat:send-message", {"liveId": key, "message": "x"}))["ok"] is False
            await moderator.call("chat:unmute-user", {"liveId": key, "userId": people[0].id})
            await all_talk(members, 1)

            assert await old.stop(signal.SIGTERM) == 0
            await until(lambda: all(member.up for member in members), within=15, what="everybody is back")
            await all_talk(members, 3)
            assert all(member.errors == [] for member in members)
            client.forget_all()
    assert "Traceback" not in old.logs + new.logs


async def in_time_zone(database_url: str, zone: str) -> None:
    """Have the sessions of a database be in a time zone unless they say otherwise."""
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET timezone TO '{zone}'")
    await connection.close()


async def all_talk(members: list[Member], rounds: int) -> None:
    """Let every member send so many messages; check that all receive them once and in order, on both nodes."""
    for _ in range(rounds):
        said = await asyncio.gather(
            *(m.socket.call("chat:send-message", {"liveId": m.key, "message": "x"}) for m in members)
        )
        seqs = {answer["seq"] for answer in said}
        now = datetime.now(UTC)
        assert all(abs(datetime.fromisoformat(answer["timestamp"]) - now) < timedelta(minutes=5) for answer in said)
        await until(lambda: all(seqs <= set(m.received) for m in members), what="every member receives every message")  # noqa: B023
    assert all(m.received == sorted(set(m.received)) for m in members)
