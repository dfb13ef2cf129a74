"""Distinguishes a node that alone cannot reach Redis from an outage for all nodes. Used by the heartbeat of nodes."""

from typing import Final

GRACE: Final = 1.9  # s between the first and the last proof; after an outage for all, nodes reconnect within 1.3 s
GAP: Final = 2.5  # s without a proof after which the next proof is the first one
FRESH: Final = 4.0  # s for which a proof counts; later Redis may be away for all nodes


class Deafness:
    """Decides whether this node is deaf: whether other nodes get answers from Redis while this one gets none.

    Nodes send Redis a question every second. A proof that Redis serves is the answer to a question of another node that
    is younger than an unanswered question of this node: in an outage for all nodes there is none. So it does not matter
    how soon each node notices an outage, or how busy it is. A node is deaf when there have been proofs for GRACE.
    """

    def __init__(self) -> None:
        self._first = self._latest = 0.0  # when the questions of proofs were asked; 0 without proofs

    def judge(self, now: float, missing: float | None, others: float | None) -> bool:
        """Return whether this node is deaf.

        Args:
            now: The current time, by the clock of all these times, in s.
            missing: When this node asked its oldest unanswered question; None if all are answered.
            others: When another node asked the newest question that was answered; None without other nodes.
        """
        if missing is None or self._first <= missing:
            self._first = self._latest = 0.0
        if missing is not None and others is not None and others > missing:
            if others - self._latest > GAP:
                self._first = others
            self._latest = max(self._latest, others)
        return self._latest - self._first >= GRACE and now - self._latest < FRESH
