"""Runs a node on the master's sockets, and talks to the master. This is what a worker process runs."""

import asyncio
import itertools
import json
import os
import signal
import socket
from contextlib import suppress
from typing import Any, Final

import structlog
import uvloop

from gateway import logs
from gateway.app import Node
from gateway.process import lifespan
from gateway.realtime.engineio.options import EngineOptions
from gateway.settings import Settings, load
from gateway.workers.board import Board
from gateway.workers.counters import Samples, samples_of, text_of
from gateway.workers.handover import HandOver, close_all
from gateway.workers.listener import SharedListener
from gateway.workers.pipe import Pipe
from gateway.workers.seat import Seat

log = structlog.get_logger()

GATHER: Final = 3.0  # s that the master may take to ask all workers for their metrics


class Worker:
    """A node that its master controls."""

    def __init__(self, settings: Settings, seat: Seat) -> None:
        self._settings = settings
        board = Board(seat.board)
        keepalive = settings.keepalive_timeout.total_seconds()
        listener = self._listener = SharedListener(seat, board, keepalive, self._gather)
        node = self._node = Node(settings, listener)
        listener.handover = HandOver(seat.number, EngineOptions().path, board, node.metrics.handed_over, listener.adopt)
        listener.handover.crowded = listener.crowded
        listener.count = lambda: node.connections
        listener.ready = lambda: node.ready
        self._questions = itertools.count()
        self._asked: dict[int, asyncio.Future[list[tuple[str, Samples]]]] = {}
        self._pipe = Pipe(socket.socket(fileno=seat.pipe), self._told, self._orphaned)

    async def run(self) -> None:
        """Serve until the master stops this worker or has died."""
        self._listener.start()
        await lifespan.run(
            self._node.steps(),
            within=self._settings.shutdown_timeout,
            ready=self._ready,
            drain=self._node.drain,
        )
        self._say(do="samples", samples=samples_of(self._node.metrics.registry))
        await self._listener.end()

    def _ready(self) -> None:
        log.info("serving", url=self._node.url)
        self._say(do="ready")

    # --- the master ---------------------------------------------------------------------------------------------------

    def _say(self, **message: Any) -> None:
        with suppress(ConnectionError):
            self._pipe.send(json.dumps(message).encode())

    def _told(self, message: bytes, descriptors: list[int]) -> None:
        told = json.loads(message)
        match told["do"]:
            case "meet" if descriptors:
                self._listener.handover.meet(told["number"], socket.socket(fileno=descriptors.pop()))
            case "retire":  # the others go on
                self._listener.others = True
                signal.raise_signal(signal.SIGTERM)
            case "samples":
                self._say(do="samples", samples=samples_of(self._node.metrics.registry))
            case "gathered" if (asked := self._asked.pop(told["question"], None)) and not asked.done():
                asked.set_result(told["workers"])
        close_all(descriptors)

    async def _gather(self) -> bytes:
        question = next(self._questions)
        self._asked[question] = asyncio.get_running_loop().create_future()
        self._say(do="gather", question=question)
        try:
            async with asyncio.timeout(GATHER):
                return text_of(await self._asked[question])
        finally:
            self._asked.pop(question, None)

    def _orphaned(self) -> None:
        """Stop, because the master has died: nobody would manage this worker, and its port must become free."""
        log.error("the master of this worker is gone")
        self._listener.close()
        signal.raise_signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(0.1, signal.raise_signal, signal.SIGTERM)  # again: skip the waits


def main() -> None:
    """Run the worker that the environment describes."""
    seat = Seat.of(os.environ)
    settings = load()
    logs.configure(settings)
    structlog.configure(processors=[_named(seat.index), *structlog.get_config()["processors"]])

    async def run() -> None:
        await Worker(settings, seat).run()

    uvloop.run(run())


def _named(index: int) -> structlog.types.Processor:
    def add(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event.setdefault("worker", index)
        return event

    return add
