"""Metrics, alert rules, dashboard and documents agree; each alert fires when it should, and only then."""

import re
import sysconfig
from pathlib import Path
from subprocess import run

import pytest
import yaml

from gateway.backup.create import BYTES_METRIC, TIMESTAMP_METRIC
from gateway.concurrency.loop_lag import LoopLag
from gateway.dev import metrics_reference
from gateway.machine import memory_limit, python_build
from gateway.metrics import Metrics
from tests import alerting
from tests.programs import program

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
NAMES = [rule["alert"] for rule in alerting.rules()]


def promtool(*arguments: str | Path) -> str:
    """Run promtool, which must succeed, and return its output."""
    done = run([program("promtool", package="prometheus"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_table_of_metrics_is_what_the_registry_has() -> None:
    assert metrics_reference.TABLE.read_text() == metrics_reference.table(), (
        "run python -m gateway.dev.metrics_reference"
    )


def test_every_metric_has_a_help_text() -> None:
    families = list(Metrics().registry.collect())
    assert [family.name for family in families if not family.documentation.strip()] == []


def test_loop_lag_is_shown_for_one_to_two_windows() -> None:
    lag = LoopLag(window=3)
    shown = []
    for late in (0.0, 0.7, 0.1, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0):
        lag.note(late)
        shown.append(lag.seconds)
    assert shown == [0.0, 0.7, 0.7, 0.7, 0.7, 0.2, 0.2, 0.2, 0.0]


def test_the_memory_limit_is_the_least_of_the_control_groups(tmp_path: Path) -> None:
    groups = tmp_path / "tree"
    inner = groups / "system.slice" / "dorami.service"
    inner.mkdir(parents=True)
    cgroup = tmp_path / "cgroup"
    cgroup.write_text("1:name=systemd:/elsewhere\n0::/system.slice/dorami.service\n")
    machine = memory_limit(tmp_path / "missing", groups)
    assert machine > 2**20
    assert memory_limit(cgroup, groups) == machine
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("1048576\n")
    assert memory_limit(cgroup, groups) == 2**20
    (inner / "memory.max").write_text("524288\n")
    assert memory_limit(cgroup, groups) == 2**19


@pytest.mark.parametrize("rule", alerting.rules(), ids=NAMES)
def test_alerts_read_existing_metrics_and_link_to_documentation(rule: dict[str, object]) -> None:
    known = alerting.series_names(Metrics().registry.collect()) | {TIMESTAMP_METRIC, BYTES_METRIC}
    named = alerting.metric_names(str(rule["expr"]))
    assert named <= known
    assert named or str(rule["expr"]).startswith("up{")
    annotations = rule["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["runbook"] == f"docs/operations.md#{str(rule['alert']).lower()}"


def test_the_document_has_a_section_for_each_alert_and_for_no_other() -> None:
    alerts = OPERATIONS.read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    sections = re.split(r"^### ", alerts, flags=re.MULTILINE)
    pages = {section.partition("\n")[0]: section for section in sections[1:]}
    assert list(pages) == NAMES
    for name, page in pages.items():
        assert [part for part in ("*Meaning.*", "*Look at.*", "*Do.*") if part not in page] == [], name


def test_every_alert_has_a_test_of_its_own() -> None:
    tested = {
        case["alertname"]: bool(case["exp_alerts"])
        for test in yaml.safe_load(alerting.RULE_TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    assert tested == dict.fromkeys(NAMES, True)


def test_each_alert_fires_when_it_should_and_is_silent_when_not() -> None:
    assert "FAILED" not in promtool("test", "rules", alerting.RULE_TESTS)


def test_the_configuration_of_compose_is_valid() -> None:
    assert f"{len(NAMES)} rules" in promtool("check", "config", alerting.RULES.with_name("prometheus.yml"))


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    records = [
        {"record": f"panel:{number}", "expr": target.expression} for number, target in enumerate(alerting.targets())
    ]
    assert len(records) > 50
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    promtool("check", "rules", rules)


def test_the_dashboard_can_be_imported() -> None:
    board = alerting.dashboard()
    assert board["schemaVersion"] >= 36
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job", "instance"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}
    places = {
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in board["panels"])
    assert max(x for x, _ in places) < 24


@pytest.mark.parametrize(
    ("variables", "build"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, "built with optimisations"),
        ({"CONFIG_ARGS": "'--enable-shared'"}, "built without optimisations"),
        ({"CONFIG_ARGS": "", "PGO_PROF_GEN_FLAG": "-fg", "PGO_PROF_USE_FLAG": "-fu"}, "built without optimisations"),
        ({"CONFIG_ARGS": "", "PGO_PROF_GEN_FLAG": "-fg", "PGO_PROF_USE_FLAG": ""}, "built with optimisations"),
        ({}, "built without optimisations"),
    ],
)
def test_a_node_knows_how_its_python_was_built(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], build: str
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", variables.get)
    assert python_build() == build
