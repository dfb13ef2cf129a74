"""The memory that the master and all workers share: the heartbeat, the state and the connections of each worker."""

import mmap
import os
import time
from enum import IntEnum
from typing import Final, NamedTuple, Self

WORDS: Final = 4  # in a row, 64 bits each
STALE: Final = 3.0  # s without a heartbeat after which a worker does not count


class State(IntEnum):
    """The state of a worker. From DEAF on it accepts connections."""

    STARTING = 0
    RETIRING = 1
    DEAF = 2  # accepts, although a server that it needs is unavailable
    READY = 3


class Row(NamedTuple):
    """The latest entry of a worker."""

    position: int
    number: int  # of the worker; 0: the row is free
    beat: float  # s of the monotonic clock of this machine
    connections: int
    state: State

    @property
    def accepts(self) -> bool:
        """Whether it is alive and accepts connections."""
        return self.state >= State.DEAF and time.monotonic() - self.beat < STALE


class Board:
    """Rows of plain numbers. Each worker writes its own row; the master assigns and frees rows."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._words = memoryview(mmap.mmap(descriptor, os.fstat(descriptor).st_size)).cast("Q")
        self._starts = range(0, len(self._words), WORDS)

    @classmethod
    def create(cls, rows: int) -> Self:
        """Return an empty board."""
        descriptor = os.memfd_create("dorami-workers")
        os.ftruncate(descriptor, rows * WORDS * 8)
        return cls(descriptor)

    def claim(self, number: int) -> int:
        """Assign a free row to a worker; return its index."""
        start = next(start for start in self._starts if not self._words[start])
        self._words[start] = number
        return start // WORDS

    def free(self, index: int) -> None:
        """Free a row after its worker has ended."""
        start = index * WORDS
        self._words[start : start + WORDS] = memoryview(bytes(WORDS * 8)).cast("Q")

    def beat(self, index: int, connections: int, state: State) -> None:
        """Write the heartbeat, the connections and the state of a worker."""
        start = index * WORDS
        self._words[start + 1] = int(time.monotonic() * 1000)
        self._words[start + 2] = connections
        self._words[start + 3] = state

    def expect(self, index: int) -> None:
        """Count a connection that was sent to a worker, until its next heartbeat includes it."""
        self._words[index * WORDS + 2] += 1

    def row(self, index: int) -> Row:
        """Return one row."""
        start = index * WORDS
        number, beat, connections, state = self._words[start : start + WORDS]
        return Row(index, number, beat / 1000, connections, State(state))

    def accepting(self) -> list[Row]:
        """Return the rows of the workers that accept connections."""
        words = self._words
        rows = (self.row(start // WORDS) for start in self._starts if words[start])
        return [row for row in rows if row.accepts]
