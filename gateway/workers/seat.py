"""The numbers and inherited descriptors with which the master starts a worker. Used by the master and the worker."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

VARIABLE: Final = "DORAMI_WORKER"


@dataclass(frozen=True)
class Seat:
    """What a worker is started with by its master.

    Args:
        index: 1 to N; a worker and the one that replaces it have the same.
        number: Of the worker; no other one of the same master has or had it.
        row: Its row of the board.
        url: Of the node.
        board: The board's descriptor.
        pipe: The descriptor of its pipe to the master.
        sockets: What the master listens on for clients.
        metrics_sockets: What it listens on for METRICS_PORT.
    """

    index: int
    number: int
    row: int
    url: str
    board: int
    pipe: int
    sockets: list[int]
    metrics_sockets: list[int]

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that the worker inherits."""
        return [self.board, self.pipe, *self.sockets, *self.metrics_sockets]

    def environment(self, node_id: str | None) -> dict[str, str]:
        """Return the variables that the worker gets in addition to its master's."""
        name = {"NODE_ID": f"{node_id}-{self.index}"} if node_id else {}
        return {VARIABLE: json.dumps(asdict(self)), **name}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the seat that a worker was started with; programs that it starts inherit none of it."""
        seat = cls(**json.loads(environment[VARIABLE]))
        for number in seat.descriptors:
            os.set_inheritable(number, False)
        return seat
