"""A node in this process, on real servers, with the accounts and the stream of the demo data."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from gateway.app import Node
from gateway.seeds import main as seeds
from gateway.settings import Settings

N = TypeVar("N", bound="SeededNode")


@dataclass(frozen=True)
class SeededNode:
    """The node, a client for its HTTP API, and the connections to close before both."""

    node: Node
    url: str
    http: aiohttp.ClientSession
    connections: AsyncExitStack

    async def login(self, name: str) -> str:
        """Return a new access token of an account."""
        answer = await self.http.post(
            f"{self.url}/api/v1/auth/login", json={"email": f"{name}@example.com", "password": seeds.PASSWORD}
        )
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["accessToken"])


@asynccontextmanager
async def seeded_node(settings: Settings, kind: type[N]) -> AsyncIterator[N]:
    """Start a node; yield it as `kind`."""
    await seeds.sow(settings)
    node = Node(settings)
    async with AsyncExitStack() as stack:
        for step in node.steps():
            await step.open()
            stack.push_async_callback(step.close)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield kind(node, node.url, http, await stack.enter_async_context(AsyncExitStack()))
