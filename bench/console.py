"""Measures the speed of the console: `python -m bench.console` writes docs/performance/console.md; `--look` prints it.

Chromium opens the live page of a small and of a large room (members with their own sockets, and a history of messages)
and stays for `--seconds` at `--rate` messages a second, then again with its processor slowed down four times.
tests/browser/console_speed.mjs measures frames, long tasks and the time of the main thread.
"""

import argparse
import asyncio
import json
import os
import secrets
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench.report import PLOTS
from bench.tables import table
from gateway.dev.servers import Stack
from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from gateway.seeds import main as seeds
from tests import console
from tests.client_package import node as nodejs
from tests.programs import program
from tests.support import Databases, Keyspaces, Node, make_settings, server_folder

BROWSER: Final = Path(__file__).parent.parent / "tests" / "browser"
ROOM: Final = "demo"  # the stream of the seeds
CONSOLE: Final = PLOTS / "console.md"

MEMBERS = """
    INSERT INTO users (id, email, username, password_hash, role, status, created_at, updated_at)
    SELECT id, id || '@example.com', 'member ' || n, '-', 'USER', 'ACTIVE', now(), now()
    FROM unnest($1::uuid[]) WITH ORDINALITY AS member (id, n)
"""
HISTORY = """
    INSERT INTO messages (id, stream_key, seq, sender_id, user_id, username, role, text, client_message_id, created_at)
    SELECT gen_random_uuid(), $1, n, sender::text, sender, 'member', 'USER', 'an earlier message ' || n,
        gen_random_uuid()::text, now() - interval '1 hour' + n * interval '1 hour' / $2
    FROM (SELECT n, ($3::uuid[])[1 + n % cardinality($3::uuid[])] AS sender FROM generate_series(1, $2::int) n) made
"""
COUNTED = "UPDATE rooms SET seq = $2 WHERE stream_key = $1 AND name LIKE '/chat %'"


async def room(url: str, redis: str, members: int, history: int, seconds: int, rate: int) -> list[dict[str, Any]]:
    """Measure the console in a room of this size, on these servers."""
    settings = make_settings(database_url=url)
    await seeds.sow(settings)
    ids = [uuid.uuid4() for _ in range(members)]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(MEMBERS, ids)
        if history:
            await connection.execute(HISTORY, ROOM, history, ids)
            await connection.execute(COUNTED, ROOM, history)
    finally:
        await connection.close()
    issue = Tokens(settings).issue_access
    tokens = [issue(str(member), Role.USER, secrets.token_hex(8)) for member in ids]
    environment = {"DATABASE_URL": url, "REDIS_URL": redis}
    limits = {"CHAT_RATE_LIMIT": "100000/second", "CHAT_DISPLAY_RATE": "0"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokens.json").write_text(json.dumps(tokens))
        async with Node(Path(folder), **environment, **limits) as node:
            process = await asyncio.create_subprocess_exec(
                *(nodejs(), "console_speed.mjs", program("chromium", "chromium-browser", "google-chrome")),
                *(f"{node.url}/", f"{folder}/tokens.json", str(seconds), str(rate)),
                cwd=BROWSER,
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"console_speed.mjs failed: {output.decode()}")
    return [{"members": members, "history": history, **row} for row in map(json.loads, output.decode().splitlines())]


HEADS: Final = (
    *("members", "history", "CPU", "first view, kB", "ready, ms"),
    *("frames/s", "longest, ms", "long tasks", "main thread", "rows in the document"),
)


def section(rows: list[dict[str, Any]], seconds: int, rate: int) -> str:
    """Return the section of the document."""
    day = f"{datetime.now(UTC):%-d %B %Y, %H:%M} UTC, load average {os.getloadavg()[0]:.1f}"
    return f"""`python -m bench.console`, {day}: Chromium without a graphics card, 1440 × 900, {seconds} s at {rate}
messages a second. *Frames*: drawn by the browser in a second; *longest*: the time between two of them. *Long tasks*:
tasks that blocked the main thread for more than 50 ms; *main thread*: its CPU time. *First view*: the compressed size
of the start page; *ready*: the time from the navigation to the connection.

{table(HEADS, [cells(row) for row in rows])}
"""


def cells(row: dict[str, Any]) -> list[str]:
    """Return a measurement as cells of a table."""
    slowed = "full speed" if row["slowed"] == 1 else f"÷ {row['slowed']}"
    whole = [f"{row[name]:,.0f}" for name in ("kilobytes", "ready", "frames", "longest", "longTasks")]
    return [f"{row['members']:,}", f"{row['history']:,}", slowed, *whole, f"{row['busy']:.0%}", str(row["rows"])]


async def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure a small room and the large one."""
    await asyncio.to_thread(console.build)
    rows = []
    with server_folder() as folder, Stack(folder, durable=False) as stack:
        assert stack.postgres is not None
        assert stack.redis is not None
        databases, keyspaces = Databases(stack.postgres), Keyspaces(stack.redis)
        for members, history in ((20, 0), (arguments.members, arguments.history)):
            url, redis = await databases.migrated(), keyspaces.fresh()
            rows += await room(url, redis, members, history, arguments.seconds, arguments.rate)
    return rows


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=5_000)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--look", action="store_true", help="only print")
    arguments = parser.parse_args()
    text = section(asyncio.run(measure(arguments)), arguments.seconds, arguments.rate)
    print(text)
    if not arguments.look:
        CONSOLE.write_text(text)


if __name__ == "__main__":
    main()
