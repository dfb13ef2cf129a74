"""The data browser of `dorami db studio` in a real browser, as studio.mjs has it."""

import asyncio
import os
import sys

import pytest

from gateway.seeds import main as seeds
from gateway.settings import DEVELOPMENT_SECRET
from models.main.product import Product
from tests.browser.scenarios import PICTURES, ended, run
from tests.integration.data.terminal import run as execute
from tests.support import START, make_settings
from tests.timing import time_limit


@pytest.mark.timeout(180)
async def test_tables_are_searched_filtered_and_followed(chromium: str, database_url: str) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    table = Product.Meta.table
    await execute(
        database_url,
        f"INSERT INTO {table} (stream_key, name, description, price, discount_rate, stock, images, sort_order, is_new,"
        " version, created_at, updated_at) VALUES ('demo', '달항아리', '손으로 빚은 백자', 350000, 0, 1, '{}', 9,"
        " false, 1, now(), now())",
    )
    environment = {
        "PATH": os.environ["PATH"],
        "APP_ENV": "development",
        "RDS_MAIN_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "JWT_SECRET": DEVELOPMENT_SECRET,
    }
    command = (sys.executable, "-m", "gateway", "db", "studio", "-d", "main")
    studio = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert studio.stdout is not None
        async with time_limit(START):
            link = (await studio.stdout.readline()).decode().strip()
        await run("node", "studio.mjs", chromium, link, str(PICTURES))
    finally:
        await ended(studio)
    assert studio.returncode == 0
