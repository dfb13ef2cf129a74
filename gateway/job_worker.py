"""The composition root of a job worker. Called by the command line."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from aiohttp import web

from gateway.clocks import ClockSync
from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.http.resources.metrics import metrics_app
from gateway.keys import Room
from gateway.media.ffmpeg import Ffmpeg
from gateway.media.library import Library
from gateway.media.replays import Replays
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS
from gateway.process import lifespan, listen_addresses
from gateway.process.lifespan import Step
from gateway.realtime.fanout.redis import RedisFanout
from gateway.redis.client import RedisClient
from gateway.redis.job_queue import JobQueue
from gateway.services.analytics import chat_counter
from gateway.services.analytics.chat_counter import ChatCounter
from gateway.services.analytics.relay import Relay
from gateway.services.analytics.upkeep import AnalyticsRetention
from gateway.services.jobs.runner import JobRunner
from gateway.services.jobs.table import JobTable
from gateway.services.rooms.log import RoomLog
from gateway.settings import Settings, SettingsError

TIDY = 600.0  # s between two sweeps for the files of dead workers and for old rows


class NoSockets:
    """The sockets of a job worker: there are none."""

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """See Local."""


class JobWorker:
    """One job worker, wired but not open. Raises SettingsError for settings without which it cannot work."""

    def __init__(self, settings: Settings) -> None:
        if settings.media_folder is None:
            raise SettingsError(["MEDIA_FOLDER: a job worker needs the folder of the recordings"])
        if not settings.media_folder.is_dir():
            raise SettingsError(["MEDIA_FOLDER: there is no such folder"])
        self._settings = settings
        metrics = Metrics()
        self._databases = Databases(settings, metrics)
        self._database = self._databases.main
        self._redis = RedisClient(settings, metrics)
        self._clocks = ClockSync({"database": self._database.time, "redis": self._redis.time}, metrics)
        name = f"{settings.node_id or 'worker'}.{secrets.token_hex(6)}"
        self._fanout = RedisFanout(self._redis, NoSockets(), name, metrics, RoomLog(self._database))
        ffmpeg = Ffmpeg(settings.ffmpeg)
        limit = settings.job_timeout.total_seconds()
        self._library = Library(settings.media_folder, ffmpeg, self._redis, metrics, limit)
        replays = Replays(self._library, ffmpeg, limit)
        table = JobTable(self._database)
        self._queue = JobQueue(self._redis)
        retention = settings.job_retention.total_seconds()
        self._jobs = JobRunner(table, self._queue, self._fanout, {"replay": replays}, metrics, retention)
        self._tidying = Periodic("files of dead workers", TIDY, partial(replays.tidy, table.fruitless), Unavailable)
        self._forgetting = Periodic("old jobs", TIDY, self._jobs.forget, Unavailable)
        self._relay = Relay(self._databases, metrics)
        count = ChatCounter(self._databases).catch_up
        self._counting = Periodic("messages per minute", chat_counter.PAUSE, count, Unavailable)
        analytics = AnalyticsRetention(self._databases, settings.analytics_retention)
        self._sweeping = Periodic("old numbers", TIDY, analytics.sweep, Unavailable)
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._metrics = metrics
        metrics.ready.set_function(lambda: self.ready)
        self._metrics_runner = web.AppRunner(metrics_app(self._scrape), access_log=None, handle_signals=False)

    @property
    def ready(self) -> bool:
        """Whether it takes jobs."""
        return self._serving is not None and not self._serving.done() and not self._stop.is_set()

    def steps(self) -> list[Step]:
        """Return the steps in the order of opening."""
        return [
            Step("databases", self._databases.open, self._databases.close),
            Step("metrics", self._show_metrics, self._metrics_runner.cleanup),
            Step("redis", self._open_redis, self._close_redis),
            Step("jobs", self._begin, self._end),
            Step("relay", self._begin_relay, self._end_relay),
        ]

    async def _scrape(self) -> bytes:
        return self._metrics.render()

    async def _show_metrics(self) -> None:
        if self._settings.metrics_port is not None:
            await self._metrics_runner.setup()
            await listen_addresses.site(self._metrics_runner, self._settings.host, self._settings.metrics_port).start()

    async def _open_redis(self) -> None:
        await self._redis.open()
        await self._clocks.start()
        await self._fanout.start()

    async def _close_redis(self) -> None:
        await self._library.close()
        await self._fanout.close()
        await self._clocks.close()
        await self._redis.close()

    async def _begin(self) -> None:
        self._jobs.start()
        self._tidying.start()
        self._forgetting.start()
        serving = self._queue.serve(self._jobs.run, self._settings.worker_jobs, self._stop)
        self._serving = asyncio.get_running_loop().create_task(serving, name="jobs")

    async def _begin_relay(self) -> None:
        if ANALYTICS.name in self._databases:
            self._relay.start()
            self._counting.start()
            self._sweeping.start()

    async def _end_relay(self) -> None:
        await self._relay.close()
        await self._counting.close()
        await self._sweeping.close()

    async def _end(self) -> None:
        """Take no further jobs, and return the running ones to the queue."""
        self._metrics.draining.set(1)
        self._stop.set()
        self._jobs.stop()
        if self._serving is not None:
            with suppress(asyncio.CancelledError):
                await self._serving
        await self._tidying.close()
        await self._forgetting.close()
        await self._jobs.close()


async def work(settings: Settings, *, ready: Callable[[], None]) -> None:
    """Run one job worker until SIGTERM or SIGINT; call `ready` once it takes jobs.

    Raises the error of a step that fails to open, after closing the open steps.
    """
    await lifespan.run(JobWorker(settings).steps(), within=settings.shutdown_timeout, ready=ready)
