"""A backup before rows are deleted, and a limited wait for locks. Used by rollback, reset and push."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from gateway.data.plans import consent as consents
from gateway.data.programs import dump
from gateway.data.report import Report
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migrations import LOCK_PAUSE, LOCK_TIMEOUT


async def backup(report: Report, target: Target, live: Any, folder: Path | None) -> None:
    """Make a backup in a folder; do nothing for None."""
    if folder is None:
        return
    server = int(await live.fetchval("SELECT current_setting('server_version_num')::int / 10000"))
    file = folder / f"{target.name}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.dump"
    await asyncio.to_thread(dump, target.url, server, file)
    report.facts["backup"] = str(file)
    report.remark(f"backup: {file}")


async def with_locks(live: Any, work: Callable[[], Awaitable[None]], lock_wait: float) -> None:
    """Run `work`, which locks tables, in a transaction; while others hold the locks, retry for `lock_wait` s.

    Raises Stop after that.
    """
    deadline = time.monotonic() + lock_wait
    while True:
        try:
            async with live.transaction():
                await live.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
                return await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() >= deadline:
                problem = f"somebody else has held a lock that this needs for {lock_wait:g} s: see `dorami db debug`"
                raise Stop(problem, consents.NOTHING, code=Code.LOCKED) from None
            await asyncio.sleep(random.uniform(*LOCK_PAUSE))  # noqa: S311  nothing to guess
