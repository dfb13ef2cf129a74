"""Tells a node that alone does not hear Redis from an outage that all nodes share. Used by the heartbeat of nodes."""

from typing import Final

GRACE: Final = 1.9  # s for which others must have heard; after an outage for all, nodes reconnect within 1.3 s
GAP: Final = 2.5  # s without news of the others after which they count as having heard from then on
FRESH: Final = 4.0  # s after which what others heard is no reason any more: Redis may be away for them, too


class Deafness:
    """Whether other nodes hear Redis while this one does not.

    Nodes ask Redis something every second. Another node proves that Redis serves when it gets an answer to a question
    that it asked later than this node asked one that is still unanswered: while Redis is away for all, nobody can. So
    it does not matter how soon each node notices an outage, or how busy one of them is. A node is deaf when such proofs
    go on for GRACE.
    """

    def __init__(self) -> None:
        self._first = self._latest = 0.0  # proofs, as moments at which others asked; 0 without any

    def judge(self, now: float, missing: float | None, others: float | None) -> bool:
        """Return whether this node is deaf.

        Args:
            now: The moment, by the clock of all these moments, in s.
            missing: When this node asked what has no answer yet; None while everything is answered.
            others: When the newest question of another node was asked that was answered; None without other nodes.
        """
        if missing is None or self._first <= missing:
            self._first = self._latest = 0.0
        if missing is not None and others is not None and others > missing:
            if others - self._latest > GAP:
                self._first = others
            self._latest = max(self._latest, others)
        return self._latest - self._first >= GRACE and now - self._latest < FRESH
