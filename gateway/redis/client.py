"""The client for Redis in any topology: bounded pools and waiting, one kind of error. Used everywhere."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import redis.asyncio
import structlog
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from gateway import keys
from gateway.concurrency.availability import ServerStatus
from gateway.concurrency.outage import Outage
from gateway.concurrency.timeouts import FairTimeout
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.redis import sentinel
from gateway.redis.cluster import Cluster
from gateway.redis.cluster_client import ClusterClient
from gateway.redis.pool import AWAY, BoundedPool
from gateway.redis.primary import FULL, PRIMARY, REFUSALS
from gateway.redis.scripts import ScriptClient, lua
from gateway.redis.sentinel import Sentinels
from gateway.redis.url import CLUSTER, server_list
from gateway.server_problems import SILENT, Misconfigured, error_code, explain, misconfiguration
from gateway.settings import Settings, SettingsError

log = structlog.get_logger()

SAFE_POLICY = "noeviction"
PROBLEMS: dict[ServerStatus, str | None] = {
    "up": None,
    "full": "takes no writes: it is out of memory or disk",
    "partial": "does not serve all slots: some servers of the cluster are down",
    "down": SILENT,
}
PROBE_LIFETIME = 60  # s until the key of a probe expires
QUIET = 3.0  # s without a refusal after which the outage is over: reads continue, and writes may be rare
PAUSE = 0.5  # s without calls after one that got no answer: only the first callers wait for a hung server


class PubSubServer(Protocol):
    """A server with pub/sub channels."""

    @property
    def timeout(self) -> float:
        """s that one call may take."""
        ...

    @property
    def sharded(self) -> bool:
        """Whether it belongs to a cluster, where each channel is on the server of its slot."""
        ...

    def connection(self) -> AbstractConnection:
        """Return a new connection, not connected yet, which the caller owns."""
        ...

    def on_new_master(self, callback: Callable[[], None]) -> None:
        """Call `callback` when another server has become the master: open connections are to the former one."""


class RedisClient:
    """One process's connections to Redis: one server, the master that sentinels name, or the servers of a cluster.

    `client` answers in `str`. Use it only within `guard`, which bounds the call and maps its errors:

        async with redis.guard("presence"):
            await redis.client.hlen(key)
    """

    client: redis.asyncio.Redis
    cluster: Cluster | None  # None: one server, or one master
    sharded = False

    def __init__(
        self, settings: Settings, metrics: Metrics, pool: str = "calls", refusal: Outage | None = None
    ) -> None:
        """Take the name of its pool in the metrics, and the `refusal` of another client of the same server."""
        self.timeout = settings.redis_timeout.total_seconds()  # s that one call may take
        self._metrics = metrics
        self._silent_until = 0.0
        self.refusal = refusal or Outage("redis refuses", "redis refuses no more", QUIET)
        self._sentinels: Sentinels | None = None
        options: dict[str, Any] = {
            "max_connections": settings.redis_pool_size,
            "timeout": self.timeout,  # for a free connection
            "socket_connect_timeout": self.timeout,
            # `guard` bounds calls. redis-py would use asyncio.wait_for, which on Python 3.11 can swallow the
            # cancellation of a task.
            "socket_timeout": None,
            "decode_responses": True,
            "protocol": 2,  # nothing here uses RESP3's push messages
            "retry": Retry(NoBackoff(), 0),  # ScriptClient repeats the calls that are safe to repeat
            "driver_info": None,  # saves a round trip on each connect
        }
        url = settings.redis_url.get_secret_value()
        servers = server_list(url)
        self.cluster = None
        if servers is not None and servers.form == CLUSTER:
            access = {"username": servers.username, "password": servers.password}
            self.cluster = Cluster(servers.addresses, self.timeout, options | access)
            self._pool = self.cluster.pool
            self.client = ClusterClient(self.cluster)
            metrics.redis_pools.watch(pool, self.cluster.use)
            return
        try:
            if servers is not None:
                self._sentinels = Sentinels(servers, self.timeout)
                self._pool = BoundedPool(**options, **sentinel.options(self._sentinels, servers))
            else:
                self._pool = BoundedPool.from_url(url, **options)
                plain = self._pool.connection_class
                self._pool.connection_class = PRIMARY.get(plain, plain)
        except ValueError:
            raise SettingsError(["REDIS_URL: one of its parts cannot be read"]) from None
        self.client = ScriptClient(connection_pool=self._pool, retry_for=self.timeout / 2)
        metrics.redis_pools.watch(pool, self._pool.use)

    async def open(self) -> None:
        """Open the first connection. An unavailable Redis is no error: it is used as soon as it is available.

        Raises Misconfigured if Redis answers and refuses the access.
        """
        try:
            await self._probe()
        except Unavailable as error:
            if (problem := misconfiguration(error)) is not None:
                raise Misconfigured(f"redis {problem}") from None
            log.warning("redis unavailable, starting without it", reason=explain(error))
            return
        with suppress(Unavailable):
            if policies := await self.evicting():
                log.warning(
                    "redis may forget sessions and presence: set maxmemory-policy noeviction", policies=policies
                )

    async def evicting(self) -> list[str]:
        """Return the `maxmemory-policy` of servers that may evict keys without expiry. Raises Unavailable."""
        async with self.guard("info"):
            try:
                if self.cluster is None:
                    answers = [await self.client.info("memory")]
                else:
                    answers = await self.cluster.each(lambda client: client.info("memory"))
            except NoPermissionError:
                return []  # the Redis user may not run INFO
        policies = {str(answer.get("maxmemory_policy", SAFE_POLICY)) for answer in answers}
        self._metrics.eviction_policy.clear()
        for policy in policies:
            self._metrics.eviction_policy.labels(policy).set(1)
        return sorted(policies - {SAFE_POLICY})

    async def close(self) -> None:
        """Drop all connections, whether the server answers or not."""
        if self.cluster is not None:
            await self.cluster.close()
        if self._sentinels is not None:
            await self._sentinels.close()
        with suppress(*AWAY):
            await self._pool.aclose()

    async def ping(self) -> bool:
        """Whether Redis answers in time. Never raises."""
        return await self.status() != "down"

    async def status(self) -> ServerStatus:
        """Return the status of Redis. Never raises."""
        try:
            return await self._probe()
        except Unavailable:
            return "down"

    async def problem(self) -> str | None:
        """Return why Redis does not work, in words for operators; None if it does. Never raises."""
        try:
            return PROBLEMS[await self._probe()]
        except Unavailable as error:
            return explain(error)

    async def _probe(self) -> ServerStatus:
        """Write to each server: replicas, and the servers of a cluster that is down, would answer a PING."""
        async with self._bounded("ping"):
            tags = [""] if self.cluster is None else await self.cluster.tags()
            results = await asyncio.gather(*map(self._write, tags), return_exceptions=True)
            errors = [result for result in results if isinstance(result, BaseException)]
            if len(errors) == len(tags):
                raise errors[0]
            return "partial" if errors else "full" if "full" in results else "up"

    async def _write(self, tag: str) -> ServerStatus:
        """Write to one server. Raises the errors of redis-py."""
        try:
            await self.client.set(keys.probe(tag), 1, ex=PROBE_LIFETIME)
        except NoPermissionError:  # the Redis user may not write this key; it may still write others
            await self.client.ping()
        except AWAY as error:
            refusal = self._refused_by("ping", error)
            if refusal is None or error_code(refusal) not in FULL:
                raise
            return "full"
        return "up"

    async def time(self) -> float:
        """Return the server's time, in s since 1970. Raises Unavailable."""
        async with self.guard("time"):
            seconds, microseconds = await self.script(__package__, "time")(keys=[keys.CLOCK])
        return int(seconds) + int(microseconds) / 1_000_000

    def script(self, package: str, name: str) -> AsyncScript:
        """Return the Lua script `name`.lua of a package; its file documents `keys` and `args`."""
        return self.client.register_script(lua(package, name))

    def connection(self) -> AbstractConnection:
        """See PubSubServer. For a cluster see Cluster.channels."""
        if self.cluster is not None:
            raise ValueError("a cluster has channels on each of its servers")
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    def on_new_master(self, callback: Callable[[], None]) -> None:
        """See PubSubServer. Only Sentinel reports a new master."""
        if self._sentinels is not None:
            self._sentinels.on_change(callback)

    def _refused_by(self, call: str, error: BaseException) -> ResponseError | None:
        """Return and log the error with which a server has answered; None if it did not answer."""
        refusal = error if isinstance(error, ResponseError) else error.__cause__
        if not isinstance(refusal, ResponseError):
            return None
        self.refused(call, refusal)
        return refusal

    def refused(self, call: str, error: ResponseError) -> None:
        """Log an error with which the server answered: an outage once when it begins, a mistake of ours each time."""
        code = error_code(error)
        if code in REFUSALS:
            self.refusal.failed(call=call, code=code)
        else:
            log.error("redis refused a command", call=call, code=code)

    async def answers(self, pipeline: Pipeline, call: str) -> list[Any]:
        """Run a pipeline within `guard`, whose `call` this is. Return the answer to each command, or an Unavailable.

        In a cluster one server may fail, while the others have run their commands. Raises an error if all have failed.
        """
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        failed = [answer for answer in answers if isinstance(answer, RedisError)]
        if failed and len(failed) == len(answers):
            raise failed[0]
        for error in failed:
            self._refused_by(call, error)
        return [Unavailable("redis") if isinstance(answer, RedisError) else answer for answer in answers]

    @asynccontextmanager
    async def guard(self, call: str) -> AsyncIterator[None]:
        """Bound and time a use of `client`; `call` is its name in the metrics.

        Raises Unavailable("redis") for every error of Redis.
        """
        if time.monotonic() < self._silent_until:
            self._metrics.redis.labels(call, "skipped").observe(0)
            raise Unavailable("redis")
        async with self._bounded(call):
            yield

    @asynccontextmanager
    async def _bounded(self, call: str) -> AsyncIterator[None]:
        started = time.perf_counter()
        outcome = "failed"  # in the code that used the answer
        try:
            async with FairTimeout(self.timeout):
                yield
            outcome = "ok"
            self.refusal.worked()
        except AWAY as error:
            outcome = "unavailable"
            if isinstance(error, TimeoutError | redis.exceptions.TimeoutError):
                self._silent_until = time.monotonic() + PAUSE
            self._refused_by(call, error)
            raise Unavailable("redis") from error
        finally:
            self._metrics.redis.labels(call, outcome).observe(time.perf_counter() - started)
