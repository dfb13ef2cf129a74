"""Memory that all workers and the master share: who lives, who accepts, who has how many connections."""

import mmap
import os
import time
from enum import IntEnum
from typing import Final, NamedTuple, Self

WORDS: Final = 4  # of a row, 64 bits each
STALE: Final = 3.0  # s without a beat after which a worker does not count


class State(IntEnum):
    """What a worker does. From READY on it accepts connections."""

    STARTING = 0
    RETIRING = 1
    DEAF = 2  # accepts, though a server that it needs is away
    READY = 3


class Row(NamedTuple):
    """What a worker has written last."""

    position: int
    number: int  # of the worker; 0: the row is free
    beat: float  # s of the monotonic clock of this machine
    connections: int
    state: State

    @property
    def accepts(self) -> bool:
        """Whether it is alive and takes connections."""
        return self.state >= State.DEAF and time.monotonic() - self.beat < STALE


class Board:
    """Rows of plain numbers. Each worker writes its own; the master gives rows out and takes them back."""

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
        """Give a free row to a worker and return its index."""
        start = next(start for start in self._starts if not self._words[start])
        self._words[start] = number
        return start // WORDS

    def free(self, index: int) -> None:
        """Take a row back, after its worker has ended."""
        start = index * WORDS
        self._words[start : start + WORDS] = memoryview(bytes(WORDS * 8)).cast("Q")

    def beat(self, index: int, connections: int, state: State) -> None:
        """Say that a worker lives, and what it does."""
        start = index * WORDS
        self._words[start + 1] = int(time.monotonic() * 1000)
        self._words[start + 2] = connections
        self._words[start + 3] = state

    def expect(self, index: int) -> None:
        """Count a connection that was sent to a worker until it counts it itself."""
        self._words[index * WORDS + 2] += 1

    def row(self, index: int) -> Row:
        """Return one row."""
        start = index * WORDS
        number, beat, connections, state = self._words[start : start + WORDS]
        return Row(index, number, beat / 1000, connections, State(state))

    def accepting(self) -> list[Row]:
        """Return the rows of those that accept connections."""
        words = self._words
        rows = (self.row(start // WORDS) for start in self._starts if words[start])
        return [row for row in rows if row.accepts]
