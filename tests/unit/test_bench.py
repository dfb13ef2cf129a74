"""The benchmark's arithmetic: verdicts, tables, charts; that everything it compares is measured."""

from xml.etree import ElementTree

import pytest

from bench import scale
from bench.chart import Axis, chart
from bench.goals import CPU_PER_MESSAGE, GOALS, MESSAGES, NEEDED, REDIS, Goal, absolute, judge
from bench.report import DETAILS, details, goals_table, replace_workers
from bench.scenarios import SCENARIOS, SWEEPS, Scenario, Setup, family, timed
from bench.servers import ALONE, CLUSTER, FULL, GATEWAY, PAIR, TITLES, WRITERS

AT_MOST = Goal("ingest", "ingest", CPU_PER_MESSAGE, "node-ws", 0.5)
AT_LEAST = Goal("ingest", "ingest", MESSAGES, "node-ws", 3, at_least=True)
ABSOLUTE = absolute("ingest", "ingest", CPU_PER_MESSAGE, 11)


def measured(cpu: float, rate: float, others: float = 0.0) -> dict[str, object]:
    return {"cpu_us": [cpu], "messages_per_s": rate, "others": others}


MEASUREMENTS = {
    ("ingest", "gateway"): [measured(9, 40), measured(10, 50), measured(90, 20)],
    ("ingest", "node-ws"): [measured(20, 12)],
}


def test_the_medians_are_compared() -> None:
    verdict = judge(AT_MOST, MEASUREMENTS)
    assert (verdict.ours, verdict.theirs, verdict.ratio, verdict.met) == (10, 20, 0.5, True)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("", "ingest", CPU_PER_MESSAGE, "node-ws", 0.49), False),
        (AT_LEAST, True),
        (Goal("", "ingest", MESSAGES, "node-ws", 3.4, at_least=True), False),
        (ABSOLUTE, True),
        (absolute("", "ingest", CPU_PER_MESSAGE, 9), False),
        (absolute("", "ingest", MESSAGES, 39, at_least=True), True),
        (absolute("", "ingest", REDIS, 9), None),
        (Goal("", "ingest", CPU_PER_MESSAGE, "c-limit", 9), None),
        (absolute("", "other", CPU_PER_MESSAGE, 9), None),
    ],
)
def test_a_goal_is_met_missed_or_not_measured(goal: Goal, met: bool | None) -> None:
    assert judge(goal, MEASUREMENTS).met is met


def test_the_table_shows_results_and_missed_goals() -> None:
    table = goals_table({("ingest", "gateway"): [measured(12, 1)], ("ingest", "node-ws"): [measured(20, 1)]})
    [row] = [line for line in table.splitlines() if line.startswith("| Ingest with ack")]
    assert [cell.strip() for cell in row.split("|")[3:-1]] == ["12.0", "Node, ws", "20.0", "0.60", "≤ 0.5 ×", "**no**"]
    assert "hot room" not in table


def test_repeats_that_others_disturbed_count_only_where_there_is_no_other() -> None:
    alone = {("ingest", GATEWAY): [measured(10, 1), measured(20, 1, others=1.5), measured(30, 1, others=1.5)]}
    busy = {("ingest", GATEWAY): [measured(20, 1, others=1.5), measured(30, 1, others=1.5)]}
    assert (judge(ABSOLUTE, alone).ours, judge(ABSOLUTE, alone).disturbed) == (10, False)
    assert (judge(ABSOLUTE, busy).ours, judge(ABSOLUTE, busy).disturbed) == (25, True)
    scenario = Scenario("ingest", "", "", (GATEWAY,))
    assert "†" not in details(scenario, alone)
    assert "| gateway † | 25.0" in details(scenario, busy)


def test_every_goal_belongs_to_a_scenario() -> None:
    played = {scenario.name: scenario for scenario in SCENARIOS}
    for goal in GOALS:
        assert goal.ours in played[goal.scenario].servers, goal.what
        assert goal.reference is None or goal.reference in played[goal.scenario].servers, goal.what
        assert (goal.scenario, goal.ours) in NEEDED
    known = {
        Setup.CROSS: PAIR,
        Setup.LONE: PAIR,
        Setup.FULL: FULL,
        Setup.MIXED: FULL,
        Setup.PROGRAM: (WRITERS, CLUSTER),
    }
    for scenario in (*SCENARIOS, *SWEEPS):
        assert set(scenario.servers) <= set(known.get(scenario.setup, ALONE)), scenario.name
        assert set(scenario.servers) <= set(TITLES), scenario.name
    assert {family(scenario) for scenario in SCENARIOS} == set(DETAILS)


def test_only_the_measuring_time_of_what_time_ends_is_changed() -> None:
    changed = {s.name for s in SCENARIOS if timed(s, 2.0, 0.5) != s}
    assert {"full", "ingest", "steady", "mixed", "writers", "far"} <= changed
    assert changed.isdisjoint({"single", "connect", "slow", "storm 2000", "storm 10000", "tls-connect"})


def test_the_arithmetic_of_a_million_viewers_says_what_was_not_measured() -> None:
    text = scale.text({("cluster", CLUSTER): [{"publish_redis_us": 200.0}]}, "")
    assert "| Redis: publishing to 200 nodes" in text
    assert "| 10.0 % of a core" in text  # 500 messages a second
    assert "publishes 5,000 a second" in text
    assert "| PostgreSQL: storing" in text
    assert "| not measured" in text


def test_a_chart_is_xml_with_a_line_and_a_name_for_each() -> None:
    lines = {"a < b": [(10.0, 2.5), (1000.0, 2.6)], "c": [(10.0, 5.0), (1000.0, 5.5)]}
    root = ElementTree.fromstring(chart("cost", Axis("members", logarithmic=True), Axis("µs"), lines))
    space = "{http://www.w3.org/2000/svg}"
    assert "a < b" in [text.text for text in root.iter(f"{space}text")]
    assert len([line for line in root.iter(f"{space}polyline") if line.get("stroke-width") == "2"]) == 2
    ys = [float(dot.get("cy", "nan")) for dot in root.iter(f"{space}circle")]
    assert ys[0] > ys[1] > ys[2] > ys[3]  # more is higher


@pytest.mark.parametrize("high", [0.7, 1.0, 9.9, 60.0, 12345.0])
def test_the_ticks_of_an_axis_are_few_and_enclose_the_values(high: float) -> None:
    ticks = Axis("").ticks(0.1, high)
    assert ticks[0] == 0
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 8


@pytest.mark.parametrize("after", ["", "\n## Next\n\nkept\n"])
def test_the_section_about_workers_is_replaced_alone(after: str) -> None:
    first = replace_workers("# Performance\n\nkept\n", "one\n") + after
    assert first == f"# Performance\n\nkept\n\n## Several workers\n\none\n{after}"
    assert replace_workers(first, "two") == first.replace("one", "two")
