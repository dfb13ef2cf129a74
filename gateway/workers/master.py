"""The master of `dorami serve --workers N`: starts, watches, replaces and stops workers. Run by the command line.

It uses no HTTP, database or Redis, so that a fault that kills a worker does not kill it. It owns the listening sockets,
so that no connection is refused while workers are replaced.
"""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.concurrency.tasks import cancel
from gateway.process import listen_addresses, sd_notify
from gateway.settings import Settings
from gateway.workers import control
from gateway.workers.board import Board
from gateway.workers.counters import Totals
from gateway.workers.pipe import Pipe, pair
from gateway.workers.seat import Seat
from gateway.workers.worker_process import WorkerProcess, introduce

log = structlog.get_logger()

PREPARE: Final = (sys.executable, "-m", "gateway", "prepare")
MOST_CONNECTIONS: Final = 100  # the default of PostgreSQL's `max_connections`
REPLACED: Final = ("reload", "memory")  # reasons for which a worker is replaced while it serves


@dataclass(frozen=True)
class Limits:
    """Times in seconds."""

    hang: float = 15.0  # without a heartbeat until a worker is killed
    ready: float = 30.0  # for a worker that replaces another one to become ready
    look: float = 1.0  # between two checks of the heartbeats
    memory_look: float = 5.0  # between two checks of the memory
    times_large: int = 3  # checks in a row above the limit after which a worker is replaced
    first_pause: float = 0.5  # before a crashed worker is restarted; doubled with each crash
    last_pause: float = 10.0  # the longest such pause
    crash_time: float = 60.0  # in which `crashes`, with no worker ready in between, stop the master
    crashes: int = 5
    samples: float = 2.0  # for a worker to send its metrics
    stop: float = 5.0  # in addition to SHUTDOWN_TIMEOUT, until running workers are killed


class Master:
    """Call `run` once. `ready` is called with the URL when all workers accept connections for the first time."""

    def __init__(
        self, settings: Settings, count: int, ready: Callable[[str], None], limits: Limits | None = None
    ) -> None:
        self._settings = settings
        self._announce: Callable[[str], None] | None = ready  # None after it was called
        self._limits = limits or Limits()
        self._numbers = itertools.count(1)
        self._serving: dict[int, WorkerProcess | None] = dict.fromkeys(range(1, count + 1))  # by index
        self._workers: set[WorkerProcess] = set()  # all that have not ended
        self._totals = Totals(self._serving)
        self._quick: dict[int, int] = dict.fromkeys(self._serving, 0)  # crashes in a row soon after the start
        self._crashes: list[float] = []  # times of the crashes since a worker was ready
        self._preparing: asyncio.subprocess.Process | None = None
        self._replacing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._code = 0

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code. Raises OSError if it cannot listen."""
        settings, loop = self._settings, asyncio.get_running_loop()
        count = len(self._serving)
        if count * settings.database_pool_size > MOST_CONNECTIONS:
            log.warning("all workers together may open more connections than PostgreSQL allows by default",
                        workers=count, database_pool_size=settings.database_pool_size)  # fmt: skip
        self._sockets = await listen_addresses.bind(settings.host, settings.port)
        metrics_host, metrics_port = listen_addresses.local_host(settings.host), settings.metrics_port
        self._metrics_sockets = [] if metrics_port is None else await listen_addresses.bind(metrics_host, metrics_port)
        self._url = listen_addresses.url_of(self._sockets[0], settings.host)
        self._board = Board.create(2 * count + 1)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_quietly()))
        try:
            async with sd_notify.watchdog():
                self._code = await self._prepare()
                if not self._code and not self._stop.is_set():
                    await self._serve()
        finally:
            await cancel(*self._tasks)
            listen_addresses.forget(settings.host)
        return self._code

    async def _serve(self) -> None:
        async with control.serving(self._url, self.reload):
            for index in self._serving:
                self._serving[index] = await self._start(index)
            self._spawn(self._watch())
            await self._stop.wait()
            sd_notify.notify(sd_notify.STOPPING)
            await self._end()

    def _signalled(self) -> None:
        log.info("stopping")
        if self._stop.is_set():  # again: hurry
            self._terminate()
        self._stop.set()
        if self._preparing is not None:
            self._preparing.terminate()

    # --- start and stop -----------------------------------------------------------------------------------------------

    async def _prepare(self) -> int:
        """Prepare the database as a node does before it serves. Return the exit code."""
        self._preparing = await asyncio.create_subprocess_exec(*PREPARE, start_new_session=True)
        try:
            return await self._preparing.wait()
        finally:
            self._preparing = None

    async def _start(self, index: int) -> WorkerProcess:
        number = next(self._numbers)
        mine, its = pair()
        seat = Seat(
            index=index,
            number=number,
            row=self._board.claim(number),
            url=self._url,
            board=self._board.descriptor,
            pipe=its.fileno(),
            sockets=[bound.fileno() for bound in self._sockets],
            metrics_sockets=[bound.fileno() for bound in self._metrics_sockets],
        )
        with its:
            worker = await WorkerProcess.start(seat, self._settings.node_id)
        worker.pipe = Pipe(mine, lambda message, _: self._handle(worker, message))
        for other in self._workers:
            introduce(worker, other)
        self._workers.add(worker)
        self._spawn(self._follow(worker))
        return worker

    async def _follow(self, worker: WorkerProcess) -> None:
        """Wait for the end of a worker, and start another one of its index unless it was replaced or stopped."""
        code = await worker.wait()
        index = worker.seat.index
        self._workers.discard(worker)
        self._board.free(worker.seat.row)
        self._totals.ended(index, worker.samples, worker.reason or "crash")
        if self._stop.is_set() or self._serving[index] is not worker:
            return
        log.error("a worker has ended", worker=index, pid=worker.pid, exit_code=code, reason=worker.reason or "crash")
        now, limits = asyncio.get_running_loop().time(), self._limits
        self._crashes = [moment for moment in [*self._crashes, now] if moment > now - limits.crash_time]
        if len(self._crashes) >= limits.crashes:
            log.critical("no worker comes up", crashes=len(self._crashes))
            self._code = 1
            self._stop.set()
            return
        served = worker.ready_at is not None and now - worker.ready_at > limits.last_pause
        quick = self._quick[index] = 0 if served else self._quick[index] + 1
        pause = min(limits.last_pause, limits.first_pause * 2 ** max(0, quick - 1))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stop.wait()
        if not self._stop.is_set() and self._serving[index] is worker:
            self._serving[index] = await self._start(index)

    def _terminate(self) -> None:
        for worker in self._workers:
            worker.signal(signal.SIGTERM)

    async def _end(self) -> None:
        while self._workers:  # another one may have been started
            self._terminate()
            await self._ended(*self._workers)

    async def _ended(self, *workers: WorkerProcess) -> None:
        """Wait for the end of workers that drain, and kill those that take too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_timeout.total_seconds() + self._limits.stop):
                for worker in workers:
                    await worker.ended.wait()
        for worker in workers:
            if not worker.ended.is_set():
                log.error("a worker did not stop in time", worker=worker.seat.index, pid=worker.pid)
                worker.signal(signal.SIGKILL)
                await worker.ended.wait()

    # --- replacing ----------------------------------------------------------------------------------------------------

    async def reload(self, show: Callable[[str], None]) -> bool:
        """Replace the workers one after the other, and call `show` with a line for each.

        Returns False if the database cannot be prepared, or at the first new worker that does not become ready; the
        other workers continue.
        """
        async with self._replacing:
            sd_notify.notify(sd_notify.reloading())
            try:
                if await self._prepare():
                    show("the database cannot be prepared, the workers serve on as before")
                    return False
                for index in self._serving:
                    if not await self._replace(index, "reload"):
                        show(f"worker {index}: the new one was not ready in time, the old one serves on")
                        return False
                    show(f"worker {index} was replaced")
                return True
            finally:
                sd_notify.notify(sd_notify.READY)

    async def _reload_quietly(self) -> None:
        await self.reload(log.info)

    async def _replace(self, index: int, reason: str) -> bool:
        new = await self._start(index)
        events = [self._spawn(wait()) for wait in (new.ready.wait, new.ended.wait, self._stop.wait)]
        await asyncio.wait(events, timeout=self._limits.ready, return_when=asyncio.FIRST_COMPLETED)
        await cancel(*events)
        if self._stop.is_set():
            return False
        if not new.ready.is_set():
            log.error("a new worker was not ready in time, the old one serves on", worker=index)
            new.reason = "not ready"
            new.signal(signal.SIGKILL)
            return False
        old, self._serving[index] = self._serving[index], new
        if old is not None and not old.ended.is_set():
            old.reason = reason
            old.send(do="retire")
            await self._ended(old)
        log.info("a worker was replaced", worker=index, reason=reason, pid=new.pid)
        return True

    async def _watch(self) -> None:
        """Kill workers that hang, and replace those that use too much memory."""
        loop, limits = asyncio.get_running_loop(), self._limits
        due = loop.time() + limits.memory_look
        while True:
            await asyncio.sleep(limits.look)
            for worker in self._workers:
                beat = self._board.row(worker.seat.row).beat
                if beat and loop.time() - beat > limits.hang:
                    log.error("a worker hangs", worker=worker.seat.index, pid=worker.pid)
                    worker.reason = "hang"
                    worker.signal(signal.SIGKILL)
            if loop.time() >= due:
                due = loop.time() + limits.memory_look
                self._check_memory()

    def _check_memory(self) -> None:
        for index, worker in self._serving.items():
            if worker is None:
                continue
            memory = worker.memory
            worker.large = worker.large + 1 if memory > self._settings.worker_memory_limit else 0
            if worker.large >= self._limits.times_large and not self._replacing.locked():
                log.warning("a worker has grown too large", worker=index, pid=worker.pid, bytes=memory,
                            limit=self._settings.worker_memory_limit)  # fmt: skip
                worker.large = 0
                self._spawn(self._replace_large(index))

    async def _replace_large(self, index: int) -> None:
        async with self._replacing:
            await self._replace(index, "memory")

    # --- messages of workers ------------------------------------------------------------------------------------------

    def _handle(self, worker: WorkerProcess, data: bytes) -> None:
        message = json.loads(data)
        match message["do"]:
            case "ready":
                worker.ready_at = asyncio.get_running_loop().time()
                worker.ready.set()
                self._crashes.clear()
                if self._announce and all(other and other.ready.is_set() for other in self._serving.values()):
                    log.info("all workers serve", workers=len(self._serving), url=self._url)
                    sd_notify.notify(sd_notify.READY)
                    self._announce(self._url)
                    self._announce = None
            case "samples":
                worker.sampled(message["samples"])
            case "gather":
                self._spawn(self._gather(worker, message["question"]))

    async def _gather(self, asker: WorkerProcess, question: int) -> None:
        """Collect the metrics of all workers, and send them to `asker`. A worker that does not answer has old ones."""
        asking = [self._spawn(worker.sample()) for worker in self._workers]
        await asyncio.wait(asking, timeout=self._limits.samples)
        await cancel(*asking)
        serving = {index: worker.samples for index, worker in self._serving.items() if worker in self._workers}
        retiring = [(worker.seat.index, worker.samples) for worker in self._workers if worker.reason in REPLACED]
        asker.send(do="gathered", question=question, workers=self._totals.shown(serving, retiring))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
