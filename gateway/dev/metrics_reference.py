"""`docs/metrics.md`, made from the metrics. Run as `python -m gateway.dev.metrics_reference`."""

from pathlib import Path

from gateway.metrics import Metrics

TABLE = Path(__file__).parents[2] / "docs" / "metrics.md"

HEAD = """# Metrics

What `/metrics` of a node or a worker shows, as Prometheus text. Counters end in `_total`; a histogram is `_bucket`,
`_sum` and `_count`. Durations are in seconds. `deploy/prometheus/alerts.yml` has the alerts,
[operations.md](operations.md#alerts) says what to do about them, and `deploy/grafana/dorami.json` is a dashboard. Made
by `python -m gateway.dev.metrics_reference` from `gateway/metrics.py`.

| metric | type | meaning |
| --- | --- | --- |
"""


def table() -> str:
    """Return the text of `docs/metrics.md`."""
    rows = [
        f"| `{family.name}` | {family.type} | {family.documentation} |\n" for family in Metrics().registry.collect()
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    TABLE.write_text(table())
