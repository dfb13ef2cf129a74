"""What one client has read of a chat room, by the rules that the contract gives to clients. Kept by members."""

import time
from typing import Any


class RoomReader:
    """The messages of a room in the order in which a client would show them.

    A place that is known already is dropped. What arrives while a join is under way waits for its answer, which holds
    what comes before it.
    """

    def __init__(self) -> None:
        self.begins = 0  # the first join's place: later events have to be read
        self.lines: list[tuple[int, str]] = []  # (seq, id), as read
        self.moments: dict[int, float] = {}  # when each place was read
        self.repeated = 0  # events that came again and were dropped
        self.restarts = 0  # times that the server could not say what was missed
        self._epoch: str | None = None
        self._last = 0
        self._waiting: list[dict[str, Any]] | None = []

    @property
    def last(self) -> int:
        """The newest place that was read."""
        return self._last

    @property
    def joining(self) -> bool:
        """Whether a join has to be sent, or was not answered."""
        return self._waiting is not None

    def cut(self) -> None:
        """Handle the loss of the connection."""
        self._waiting = []

    def since(self) -> dict[str, Any]:
        """Return the `since` of the next join."""
        self._waiting = []
        return {} if self._epoch is None else {"since": {"epoch": self._epoch, "seq": self._last}}

    def joined(self, answer: dict[str, Any]) -> None:
        """Apply the ack of a join."""
        cursor = answer["cursor"]
        if self._epoch is None:
            self.begins = self._last = cursor["seq"]
        elif answer["recovered"]:
            assert cursor["epoch"] == self._epoch
            for missed in answer["events"]:
                self._read(missed["payload"]["data"])
        else:
            self.restarts += 1
            for message in answer["history"]:
                self._read(message)
        self._epoch = cursor["epoch"]
        waiting, self._waiting = self._waiting or [], None
        for message in waiting:
            self._read(message)

    def received(self, message: dict[str, Any]) -> None:
        """Apply a message of the room."""
        if self._waiting is None:
            self._read(message)
        else:
            self._waiting.append(message)

    def _read(self, message: dict[str, Any]) -> None:
        seq = message["seq"]
        if seq <= self._last:
            self.repeated += 1
            return
        self._last = seq
        self.lines.append((seq, message["id"]))
        self.moments[seq] = time.monotonic()
