"""The first hour of a shop in production, from an empty database to a replay, as docs/first-hour.md tells it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests import console
from tests.browser.scenarios import HERE, PICTURES
from tests.conftest import StartNode
from tests.support import Worker, record
from tests.timing import time_limit

PATIENCE = 120.0  # s on a busy machine; it takes about ten
PASSWORD = "a password of this test"
SECRET = "a secret of this test, long enough"


async def run(*command: str, environment: dict[str, str], stdin: bytes = b"") -> None:
    """Run a program. Fails with what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HERE,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with time_limit(PATIENCE):
            said, _ = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, said.decode()


@pytest.mark.timeout(180)
async def test_first_hour_of_a_shop(
    chromium: str, database_url: str, redis_url: str, start_node: StartNode, tmp_path: Path
) -> None:
    await asyncio.to_thread(console.build)
    media = tmp_path / "media"
    record(media / "autumn.mp4", 2)
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_ENV": "production", "JWT_SECRET": SECRET}
    create = ("user", "create", "admin@shop.example", "--name", "Ada", "--role", "ADMIN")
    path = {"PYTHONPATH": str(HERE.parent.parent)}
    await run(sys.executable, "-m", "gateway", *create, environment=servers | path, stdin=PASSWORD.encode())
    worker = Worker(tmp_path, media, **servers)
    await worker.start()
    try:
        production = {"APP_ENV": "production", "JWT_SECRET": SECRET, "CORS_ORIGINS": "https://shop.example"}
        node = await start_node(CURRENCY="KRW", **production)
        PICTURES.mkdir(exist_ok=True)
        scale = {"TEST_TIME_SCALE": os.environ.get("TEST_TIME_SCALE", "1")}
        await run("node", "console_hour.mjs", chromium, f"{node.url}/", str(PICTURES), environment=scale)
    finally:
        await worker.stop()
