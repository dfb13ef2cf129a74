"""The snippets of the guides and of the README are run as they stand, against a node with the seeds of `make dev`."""

import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from gateway.dev.client_guides import GUIDES
from gateway.dev.client_types import CLIENTS
from gateway.seeds import main as seeds
from tests import client_package
from tests.conftest import StartNode
from tests.programs import program
from tests.support import make_settings
from tests.timing import allowed

FOLDER = GUIDES / "snippets"
MODULES = Path(__file__).parent.parent / "client" / "node_modules"
PYTHON_CLIENT = CLIENTS / "python" / "src"
URL = "http://localhost:3001"
IN_THE_BROWSER = {"quickstart.html"}  # tests/browser/test_documents.py

LAST = "moderation.mjs"  # it changes what the others look at

# What each prints, in this order.
PRINTED = {
    "auth.mjs": ["guest GUEST", "member Joon", "who Joon"],
    "connect.mjs": ["connected 1.0 GUEST 500", "connected 1.0 GUEST 500"],
    "readme.mjs": [r"\d+ messages so far", r"stored as \d+"],
    "readme.py": [r"\d+ people are here"],
    "chat.mjs": [r"\d+ messages, 0 s of slow mode, may write: true", "stored true", r"older \d+ \S+"],
    "viewers.mjs": [r"live: true viewers: \d+ at most: \d+"],
    "products.mjs": ["6 products", r"ordered PENDING \d+ KRW"],
    "recovery.mjs": [r"start from \d+ messages", "caught up false", "caught up true"],
    "listen.py": ["joined False"],
    "package.mjs": [
        "status connecting",
        "status connected",
        r"\d+ messages, 6 products, \d+ viewers",
        r"stored as \d+",
        "refused MESSAGE_TOO_LONG",
    ],
    "package.py": [r"\d+ people are here", r"stored as \d+", "refused MESSAGE_TOO_LONG"],
    "moderation.mjs": [
        "may ANNOUNCE BAN CLEAR DELETE MUTE PIN REVIEW SETTINGS",
        "a clear would take true",
        "restored true",
        "log SLOW_MODE UNDO_CLEAR CLEAR PIN ANNOUNCE",
    ],
}


def test_every_snippet_is_run() -> None:
    assert set(PRINTED) | IN_THE_BROWSER == {file.name for file in FOLDER.iterdir()}


async def test_snippets_print_what_they_should(start_node: StartNode, database_url: str, tmp_path: Path) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(CURRENCY="KRW")
    await asyncio.to_thread(client_package.build)
    modules = {"socket.io-client": MODULES / "socket.io-client", "@dorami/client": client_package.PACKAGE}
    for name, folder in modules.items():
        link = tmp_path / "node_modules" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
    first = [name for name in PRINTED if name != LAST]
    failures = await asyncio.gather(*(run(name, node.url, tmp_path) for name in first))
    failures.append(await run(LAST, node.url, tmp_path))
    assert "".join(failures) == ""


async def run(name: str, url: str, folder: Path) -> str:
    """Run a snippet until it has printed what it should; return what it printed if it did not."""
    text = (FOLDER / name).read_text()
    assert URL in text
    copy = folder / name
    copy.write_text(text.replace(URL, url))
    command = [sys.executable, "-u"] if name.endswith(".py") else [program("node", package="nodejs")]
    process = await asyncio.create_subprocess_exec(
        *command,
        str(copy),
        env=os.environ | {"PYTHONPATH": str(PYTHON_CLIENT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    wanted, seen = list(PRINTED[name]), []
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(allowed(20)):
                while wanted and (line := (await process.stdout.readline()).decode()):
                    seen.append(line)
                    if re.fullmatch(wanted[0], line.strip()):
                        del wanted[0]
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()
    return f"{name} did not print {wanted[0]}, but:\n{''.join(seen)}\n" if wanted else ""
