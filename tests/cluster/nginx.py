"""nginx as deployed, in front of the nodes of a test. Used by the tests of rolls."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from tests.cluster.haproxy import answers, free_port
from tests.programs import program
from tests.support import Node
from tests.timing import until

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration(nodes: Sequence[Node], port: int, folder: Path) -> str:
    """Return the deployed configuration with the addresses and folders of a test."""
    paths = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in TEMPORARY)
    changes = {
        "worker_processes auto;": f"worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;",
        "worker_rlimit_nofile 100000;": "",
        "worker_connections 16384;": "worker_connections 2000;",
        "http {\n": "http {\n" + paths,
        "listen 3001": f"listen 127.0.0.1:{port}",
    }
    for number, node in enumerate(nodes, 1):
        address = node.url.removeprefix("http://")
        deployed = f"10.0.0.1{number}:3001"
        changes |= {deployed: address, deployed.replace(".", r"\."): address.replace(".", r"\.")}
    text = CONFIG.read_text()
    for deployed, tested in changes.items():
        assert deployed in text
        text = text.replace(deployed, tested)
    return text


@asynccontextmanager
async def nginx(nodes: Sequence[Node], folder: Path) -> AsyncIterator[str]:
    """Run it; its URL. The nodes must keep their ports."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running(configuration(nodes, port, folder), folder / "nginx.conf"):
        await until(lambda: answers(url), within=10, pause=0.1)
        yield url


def running(configuration: str, file: Path) -> AbstractAsyncContextManager[None]:
    """Run nginx with a configuration, which is written to a file."""
    file.write_text(configuration)
    return _running(file)


@asynccontextmanager
async def _running(file: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(program("nginx", package="nginx-light"), "-c", str(file))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it has said on stderr why it ended
            process.terminate()
        await process.wait()
