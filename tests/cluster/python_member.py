"""Somebody with the Python client of `clients/python`, in the rooms of the tests of the client packages."""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Any

from dorami_client import Dorami, DoramiError, Session


class PythonMember:
    """Follows the chat, the products and the viewers of some rooms, and sends messages.

    `asked` and `stored` are filled with the messages that it sends, by room: see PackageClients.
    """

    def __init__(
        self, url: str, keys: list[str], asked: dict[str, set[str]], stored: dict[str, dict[str, int]]
    ) -> None:
        self.session = Session(url)
        self.dorami = Dorami(url, self.session.token)
        self.keys = keys
        self.messages: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self.versions: dict[str, int] = {}  # by product
        self.viewers: dict[str, int] = {}
        self.statuses: list[str] = []
        self._asked, self._stored = asked, stored
        self._talking: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._number = 0

    async def open(self, email: str, password: str) -> None:
        """Log in, connect and join."""
        await self.session.login(email, password)
        self.dorami.on_status(lambda status, _: self.statuses.append(status))
        for key in self.keys:
            self.dorami.chat(key).on("chat:message", partial(self._message, key))
            self.dorami.products(key).on("live:product:updated", self._product)
            self.dorami.viewers(key).on("stream:viewer:update", partial(self._count, key))
        await self.enter()

    async def enter(self) -> None:
        """Connect and join."""
        await self.dorami.connect()
        for key in self.keys:
            chat, products, viewers = self.dorami.chat(key), self.dorami.products(key), self.dorami.viewers(key)
            await chat.join()
            for product in (await products.join())["products"]:
                self._product(product)
            self._count(key, await viewers.join())

    async def close(self) -> None:
        """Leave."""
        await self.quiet()
        await self.dorami.close()
        await self.session.close()

    def talk(self, run: str, every: float) -> None:
        """Send a message each `every` s, to each room in turn."""
        self._talking = asyncio.create_task(self._talk(run, every))

    async def quiet(self) -> None:
        """Send no more messages, and wait until those that were sent are stored."""
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
            self._talking = None
        await asyncio.gather(*self._sending)

    async def _talk(self, run: str, every: float) -> None:
        while True:
            self._number += 1
            key, name = self.keys[self._number % len(self.keys)], f"{run}-py-{self._number}"
            self._asked[key].add(name)
            task = asyncio.create_task(self._send(key, name))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
            await asyncio.sleep(every)

    async def _send(self, key: str, name: str) -> None:
        try:
            sent = await self.dorami.chat(key).send(f"message {name}", client_message_id=name)
        except DoramiError as error:
            raise AssertionError(f"{name} was refused: {error}") from None
        self._stored[key][name] = sent["seq"]

    def _message(self, key: str, message: Any) -> None:
        self.messages[key].append((message["seq"], message["clientMessageId"]))

    def _product(self, product: Any) -> None:
        self.versions[product["id"]] = max(product["version"], self.versions.get(product["id"], 0))

    def _count(self, key: str, told: Any) -> None:
        self.viewers[key] = told["viewerCount"]
