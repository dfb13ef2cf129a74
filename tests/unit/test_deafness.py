"""A deaf node is distinguished from an outage for all nodes, whatever the phases of their probes."""

import random

import pytest

from gateway.services.nodes.deafness import Deafness

BEAT = 1.0  # s between two questions of a node, as of canaries and probes
LOOK = 0.25  # s between two looks of a deaf node, and between its probes
RECONNECT = 1.0  # s that a node may need to be connected again

Outages = list[tuple[float, float]]  # when they begin and end


def questions(phase: float, end: float, outages: Outages, reconnect: float = 0.0) -> list[tuple[float, bool]]:
    """When a node asks Redis something, and whether that is answered."""
    asked, moment = [], phase
    while moment < end:
        answered = not any(begin <= moment < back + reconnect for begin, back in outages)
        asked.append((moment, answered))
        moment += BEAT if answered else LOOK
    return asked


def deaf_after(node: list[tuple[float, bool]], others: list[list[tuple[float, bool]]], late: list[float]) -> float:
    """Return when a node counts as deaf, by the probes and answers of itself and the others; 0 if never.

    `late`: s after which each of the others has stored its answer.
    """
    deafness, now, missing, answered = Deafness(), 0.0, None, 0.0
    while now < node[-1][0]:
        now += LOOK
        answered = max((moment for moment, well in node if well and moment <= now), default=0.0)
        missing = next((moment for moment, well in node if not well and answered < moment <= now), None)
        reported = [
            moment
            for other, delay in zip(others, late, strict=True)
            for moment, well in other
            if well and moment <= now - delay
        ]
        if deafness.judge(now, missing, max(reported, default=None)):
            return now
    return 0.0


@pytest.mark.parametrize("seed", range(100))
def test_a_node_that_is_cut_off_alone_notices_within_5_s(seed: int) -> None:
    dice = random.Random(seed)
    cut = dice.uniform(10, 12)
    node = questions(dice.uniform(0, BEAT), 20, [(cut, 99)])
    others = [questions(dice.uniform(0, BEAT), 20, []) for _ in range(dice.randint(1, 5))]
    late = [dice.uniform(0.01, 2 * LOOK) for _ in others]
    assert cut < deaf_after(node, others, late) < cut + 4.9


@pytest.mark.parametrize("seed", range(100))
def test_no_node_is_deaf_during_or_after_an_outage_of_redis(seed: int) -> None:
    """The node that is back first proves that Redis serves; the others have time to connect again."""
    dice = random.Random(seed)
    outages: Outages = []
    now = 5.0
    while now < 25:
        begin = now + dice.uniform(2, 6)
        now = begin + dice.choice([0.1, 0.7, 2.0, 9.0])
        outages.append((begin, now))
    node = questions(dice.uniform(0, BEAT), 30, outages, RECONNECT)
    others = [questions(dice.uniform(0, BEAT), 30, outages) for _ in range(dice.randint(1, 5))]
    late = [dice.uniform(0.01, 2 * LOOK) for _ in others]
    assert not deaf_after(node, others, late)


def test_a_node_is_not_deaf_if_all_others_are() -> None:
    deafness = Deafness()
    for now in range(10, 15):
        deaf = deafness.judge(now + 0.5, 10.0, float(now) + 0.3)
    assert deaf
    assert not deafness.judge(19.0, 10.0, 14.3), "Redis is away for them, too"
    assert not deafness.judge(60.0, 10.0, 59.9), "who hears again proves it for as long as at first"
    assert not deafness.judge(61.0, None, 60.9), "this node hears again"


def test_a_node_alone_is_never_deaf() -> None:
    deafness = Deafness()
    assert not any(deafness.judge(float(now), 3.0, None) for now in range(100))
