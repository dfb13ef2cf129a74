"""The deployed alert rules and dashboard, and what they ask of the metrics. Read by the tests of both."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client.metrics_core import Metric

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
RULE_TESTS = DEPLOY / "prometheus" / "alerts_test.yml"
DASHBOARD = DEPLOY / "grafana" / "dorami.json"

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
METRIC = re.compile(r"\b(?:dorami|process)_\w+")
# What Grafana puts in; `job` is that of the alert rules.
VARIABLES = {"$__rate_interval": "1m", "$job": "dorami", "$instance": ".*"}


class Target(NamedTuple):
    """One expression of a panel."""

    panel: str
    expression: str  # PromQL, all variables of Grafana replaced


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def targets() -> list[Target]:
    """Every expression of the dashboard."""
    found = []
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            found.append(Target(panel["title"], expression))
    return found


def metric_names(expression: str) -> set[str]:
    """Return the metrics of ours that an expression reads; names within quotes are labels' values."""
    return set(METRIC.findall(re.sub(r'"[^"]*"', "", expression)))


def series_names(families: Iterable[Metric]) -> set[str]:
    """Return the names of the series that these families have, once something has been counted."""
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}
