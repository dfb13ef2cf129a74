"""The data browser of `dorami db studio` in a real browser, as studio.mjs has it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.seeds import main as seeds
from gateway.settings import DEVELOPMENT_SECRET
from models.main.product import Product
from tests.integration.data.terminal import run
from tests.programs import program
from tests.support import make_settings
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # to be looked at
PATIENCE = 90.0  # s on a busy machine


@pytest.fixture(scope="module")
def chromium() -> str:
    """Return the browser of this machine."""
    return program("chromium", "chromium-browser", "google-chrome")


async def test_tables_are_searched_filtered_and_followed(chromium: str, database_url: str) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    table = Product.Meta.table
    await run(
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
    studio = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "db", "studio", "-d", "main"),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert studio.stdout is not None
        async with time_limit(PATIENCE):
            link = (await studio.stdout.readline()).decode().strip()
            PICTURES.mkdir(exist_ok=True)
            browsing = await asyncio.create_subprocess_exec(
                *("node", "studio.mjs", chromium, link, str(PICTURES)),
                cwd=HERE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await browsing.communicate()
        assert browsing.returncode == 0, said.decode()
    finally:
        studio.terminate()
        await studio.communicate()
    assert studio.returncode == 0
