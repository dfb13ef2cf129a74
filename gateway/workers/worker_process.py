"""One worker process, from the view of its master: start, messages, end. Used by the master."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from gateway.process.sd_notify import VARIABLES
from gateway.workers.counters import Samples
from gateway.workers.pipe import Pipe, pair
from gateway.workers.seat import Seat

COMMAND: Final = (sys.executable, "-m", "gateway.workers")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class WorkerProcess:
    """Create it with `start`. `samples` are its latest metrics; `reason` is why the master ends it."""

    def __init__(self, seat: Seat, process: asyncio.subprocess.Process) -> None:
        self.seat = seat
        self.reason: str | None = None
        self.samples: Samples = {}
        self.ready = asyncio.Event()
        self.ready_at: float | None = None  # by the event loop's clock
        self.ended = asyncio.Event()
        self.large = 0  # checks in a row with too much memory
        self._process = process
        self._sampled: asyncio.Event | None = None
        self.pipe: Pipe

    @classmethod
    async def start(cls, seat: Seat, node_id: str | None) -> Self:
        """Start the process, in a session of its own: a terminal's Ctrl-C is for the master. Raises OSError."""
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env=inherited | seat.environment(node_id),
            pass_fds=seat.descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # the master's stdout is for `ready` only, and ends with it
            start_new_session=True,
        )
        return cls(seat, process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        code = await self._process.wait()
        self.ended.set()
        self.pipe.drain()
        return code

    def send(self, **message: Any) -> None:
        """Send it a message, unless it has ended."""
        with suppress(ConnectionError):
            self.pipe.send(json.dumps(message).encode())

    async def sample(self) -> None:
        """Request its metrics and wait until they are in `samples`."""
        if self._sampled is None:
            self._sampled = asyncio.Event()
        self.send(do="samples")
        await self._sampled.wait()

    def sampled(self, samples: Samples) -> None:
        """Store the metrics that it has sent."""
        self.samples = samples
        if self._sampled is not None:
            self._sampled.set()
            self._sampled = None

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self.ended.is_set():
            self._process.send_signal(number)

    @property
    def memory(self) -> int:
        """Bytes of resident memory; 0 if it has ended."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0


def introduce(one: WorkerProcess, other: WorkerProcess) -> None:
    """Give two workers a pipe to each other."""
    ends = pair()
    try:
        for worker, peer, end in ((one, other, ends[0]), (other, one, ends[1])):
            with suppress(ConnectionError):
                message = json.dumps({"do": "meet", "number": peer.seat.number}).encode()
                worker.pipe.send(message, [end.fileno()])
    finally:
        for end in ends:
            end.close()
