"""HAProxy as deployed, in front of the nodes of a test. Used by the tests of rolls."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.programs import program
from tests.support import Node
from tests.timing import until

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(nodes: Sequence[Node], port: int) -> str:
    """Return the deployed configuration with the addresses of a test."""
    changes = {
        "bind :3001": f"bind 127.0.0.1:{port}",
        "resolvers docker init-addr": "init-addr",
        "fd-hard-limit 100000": "maxconn 2000",
    } | {f"node-{number}:3001": node.url.removeprefix("http://") for number, node in enumerate(nodes, 1)}
    text = re.sub(r"^resolvers docker\n(?: .*\n)*", "", CONFIG.read_text(), flags=re.MULTILINE)
    for deployed, tested in changes.items():
        assert deployed in text
        text = text.replace(deployed, tested)
    return text


async def answers(url: str) -> bool:
    """Whether a ready node answers there."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def haproxy(nodes: Sequence[Node], folder: Path) -> AsyncIterator[str]:
    """Run it; its URL. The nodes must keep their ports."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running(configuration(nodes, port), folder / "haproxy.cfg"):
        await until(lambda: answers(url), within=10, pause=0.1)
        yield url


def running(configuration: str, file: Path) -> AbstractAsyncContextManager[None]:
    """Run HAProxy with a configuration, which is written to a file."""
    file.write_text(configuration)
    return _running(file)


@asynccontextmanager
async def _running(file: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(program("haproxy"), "-q", "-db", "-f", str(file))
    try:
        yield
    finally:
        process.kill()
        await process.wait()
