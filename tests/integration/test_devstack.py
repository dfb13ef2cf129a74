"""The development servers: they keep their data, survive the death of their parent, and know no rival."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from gateway.dev import unprivileged
from gateway.dev.server_process import StackError
from gateway.dev.servers import PostgresProcess, RedisProcess, Stack
from gateway.dev.unprivileged import SHARED
from tests.support import server_folder

PARENT = """
import pathlib, sys, time
from gateway.dev.servers import Stack
with Stack(pathlib.Path(sys.argv[1]), durable=False) as stack:
    print(stack.postgres.pid, stack.redis.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder with data that all these tests share, since the first start of PostgreSQL is the slow one."""
    with server_folder() as folder:
        yield folder


async def visits(stack: Stack) -> tuple[int, int]:
    """Count one more visit in both servers; the counts."""
    assert stack.postgres is not None
    assert stack.redis is not None
    connection = await asyncpg.connect(stack.postgres.url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
        await connection.execute("INSERT INTO visits DEFAULT VALUES")
        rows: int = await connection.fetchval("SELECT count(*) FROM visits")
    finally:
        await connection.close()
    with redis.Redis.from_url(stack.redis.url) as client:
        return rows, int(client.incr("visits"))


async def test_data_survives_a_restart() -> None:
    with server_folder() as folder:
        for count in (1, 2):
            with Stack(folder) as stack:
                assert await visits(stack) == (count, count)


async def test_servers_end_with_the_stack(folder: Path) -> None:
    with Stack(folder, durable=False) as stack:
        assert stack.postgres is not None
        assert stack.redis is not None
        processes = [psutil.Process(stack.postgres.pid), psutil.Process(stack.redis.pid)]
        assert all(os.getpgid(process.pid) != os.getpgrp() for process in processes), "Ctrl-C would reach them"
    assert not any(process.is_running() for process in processes)


async def test_a_second_stack_on_the_same_folder_is_refused(folder: Path) -> None:
    with Stack(folder, durable=False) as stack:
        with pytest.raises(StackError, match="another `dorami dev` uses"), Stack(folder):
            pass
        await visits(stack)


async def test_servers_die_with_a_killed_parent_and_start_again(folder: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    processes = [psutil.Process(int(pid)) for pid in (await parent.stdout.readline()).split()]
    parent.kill()
    await parent.communicate()
    assert not psutil.wait_procs(processes, 10)[1], "they outlive their parent"
    with Stack(folder, durable=False) as stack:
        await visits(stack)


async def test_orphaned_servers_are_ended(folder: Path) -> None:
    with Stack(folder, durable=False) as stack:
        assert stack.postgres is not None
        assert stack.redis is not None
        orphans = [psutil.Process(stack.postgres.pid), psutil.Process(stack.redis.pid)]
        with PostgresProcess(stack.postgres.folder, durable=False), RedisProcess(stack.redis.folder, durable=False):
            assert not psutil.wait_procs(orphans, 1)[1]
    # A process that has come to the id a dead server wrote down: this one, say.
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/postgres\n0\n5432\n\n\n1 1\nready\n")
    with Stack(folder, durable=False) as stack:
        await visits(stack)


async def test_a_killed_or_frozen_server_comes_back(own_redis: RedisProcess, own_postgres: PostgresProcess) -> None:
    with redis.Redis.from_url(own_redis.url, socket_timeout=0.2) as client:
        client.set("kept", "yes")
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("kept")
        own_redis.start()
        assert client.get("kept") == b"yes"
        own_redis.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("kept")
        own_redis.resume()
        assert client.get("kept") == b"yes"
    own_postgres.kill()
    own_postgres.start()
    await (await asyncpg.connect(own_postgres.url)).close()


async def test_a_path_too_long_for_a_socket_is_supported() -> None:
    with server_folder() as folder, Stack(folder / ("long" * 30), durable=False) as stack:
        assert await visits(stack) == (1, 1)
        assert stack.redis is not None
        assert stack.redis.url.startswith("unix:///")


def test_a_failed_start_reports_the_servers_log() -> None:
    with server_folder() as folder:
        server = PostgresProcess(folder / "postgres", durable=False)
        with server:
            pass
        (folder / "postgres" / "postgresql.conf").write_text("nonsense = true\n")
        with pytest.raises(StackError, match="unrecognized configuration parameter"):
            server.start()


@pytest.fixture
def private() -> Iterator[Path]:
    """Return a folder that only its owner may enter, like root's home; delete what was put elsewhere for it."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as name:
        yield Path(name)
        shelter = (Path(name) / "postgres").resolve().parent
        if shelter.parent == SHARED:
            shutil.rmtree(shelter)


async def test_a_private_folder_stays_private_and_keeps_its_data(private: Path) -> None:
    me = psutil.Process().username()
    for count in (1, 2):
        with Stack(private) as stack:
            assert await visits(stack) == (count, count)
            assert stack.postgres is not None
            user = psutil.Process(stack.postgres.pid).username()
            assert user == ("nobody" if me == "root" else me)
    assert private.stat().st_mode & 0o777 == 0o700  # noqa: ASYNC240
    data = (private / "postgres").resolve()
    assert data.stat().st_mode & 0o777 == 0o700
    assert data.is_relative_to(SHARED if me == "root" else private)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run PostgreSQL")
async def test_programs_in_a_private_folder_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    with server_folder() as shared:
        monkeypatch.setattr(unprivileged, "SHARED", shared)
        monkeypatch.setattr(unprivileged, "reachable", lambda path: path.is_relative_to(shared))

        async def starts() -> None:
            with PostgresProcess(shared / "postgres", durable=False) as postgres:
                assert Path(psutil.Process(postgres.pid).exe()).is_relative_to(shared)
                await (await asyncpg.connect(postgres.url)).close()

        await starts()
        copy = next(shared.glob("dorami-postgresql-*"))
        next(copy.rglob("libpq*.so*")).unlink()  # as whatever sweeps /var/tmp may do
        await starts()
        assert list(shared.glob("dorami-postgresql-*")) == [copy]
        copy.chmod(0o777)
        with pytest.raises(StackError, match="is not root's"):
            await starts()
