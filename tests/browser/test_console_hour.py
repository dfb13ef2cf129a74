"""The first hour of a shop in production, from an empty database to a replay, as docs/first-hour.md tells it."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests import console
from tests.browser.scenarios import HERE, PICTURES, run
from tests.conftest import StartNode
from tests.support import Worker, record

PASSWORD = "a password of this test"
SECRET = "a secret of this test, long enough"


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
    await run(sys.executable, "-m", "gateway", *create, stdin=PASSWORD.encode(), **servers, **path)
    worker = Worker(tmp_path, media, **servers)
    await worker.start()
    try:
        production = {"APP_ENV": "production", "JWT_SECRET": SECRET, "CORS_ORIGINS": "https://shop.example"}
        node = await start_node(CURRENCY="KRW", **production)
        await run("node", "console_hour.mjs", chromium, f"{node.url}/", str(PICTURES))
    finally:
        await worker.stop()
