"""The numbers and inherited descriptors with which the master starts a worker. Used by the master and the worker."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

VARIABLE: Final = "DORAMI_WORKER"


@dataclass(frozen=True)
class Seat:
    """The values with which a master starts a worker.

    Args:
        index: 1 to N; the worker that replaces this one has the same.
        number: Unique among all workers of the master, including those that have ended.
        row: The worker's row of the board.
        url: The URL of the node.
        board: The board's descriptor.
        pipe: The descriptor of the worker's pipe to the master.
        sockets: Descriptors of the master's listening sockets for clients.
        metrics_sockets: Descriptors of its listening sockets for METRICS_PORT.
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
        """Return the variables that the worker gets in addition to the master's environment."""
        name = {"NODE_ID": f"{node_id}-{self.index}"} if node_id else {}
        return {VARIABLE: json.dumps(asdict(self)), **name}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the seat of this worker process; programs that it starts do not inherit the descriptors."""
        seat = cls(**json.loads(environment[VARIABLE]))
        for number in seat.descriptors:
            os.set_inheritable(number, False)
        return seat
