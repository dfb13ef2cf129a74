"""The main program of a worker process: runs a node on the master's sockets, and exchanges messages with the master."""

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
from gateway.workers.handover import HandOver
from gateway.workers.pipe import Pipe, close_all
from gateway.workers.seat import Seat
from gateway.workers.shared_listener import SharedListener

log = structlog.get_logger()

GATHER: Final = 3.0  # s that the master may take to collect the metrics of all workers


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
        self._answers: dict[int, asyncio.Future[list[tuple[str, Samples]]]] = {}  # pending ones, by question
        self._pipe = Pipe(socket.socket(fileno=seat.pipe), self._handle, self._orphaned)

    async def run(self) -> None:
        """Serve until the master stops this worker or has died."""
        self._listener.start()
        await lifespan.run(
            self._node.steps(),
            within=self._settings.shutdown_timeout,
            ready=self._ready,
            drain=self._node.drain,
        )
        self._send(do="samples", samples=samples_of(self._node.metrics.registry))
        await self._listener.end()

    def _ready(self) -> None:
        log.info("serving", url=self._node.url)
        self._send(do="ready")

    # --- the master ---------------------------------------------------------------------------------------------------

    def _send(self, **message: Any) -> None:
        with suppress(ConnectionError):
            self._pipe.send(json.dumps(message).encode())

    def _handle(self, data: bytes, descriptors: list[int]) -> None:
        message = json.loads(data)
        match message["do"]:
            case "meet" if descriptors:
                self._listener.handover.meet(message["number"], socket.socket(fileno=descriptors.pop()))
            case "retire":  # the other workers continue
                self._listener.others = True
                signal.raise_signal(signal.SIGTERM)
            case "samples":
                self._send(do="samples", samples=samples_of(self._node.metrics.registry))
            case "gathered" if (answer := self._answers.pop(message["question"], None)) and not answer.done():
                answer.set_result(message["workers"])
        close_all(descriptors)

    async def _gather(self) -> bytes:
        question = next(self._questions)
        self._answers[question] = asyncio.get_running_loop().create_future()
        self._send(do="gather", question=question)
        try:
            async with asyncio.timeout(GATHER):
                return text_of(await self._answers[question])
        finally:
            self._answers.pop(question, None)

    def _orphaned(self) -> None:
        """Stop, because the master has died: no process manages this worker, and its port must become free."""
        log.error("the master of this worker has ended")
        self._listener.close()
        signal.raise_signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(0.1, signal.raise_signal, signal.SIGTERM)  # again: skip the waits


def main() -> None:
    """Run the worker whose seat is in the environment."""
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
