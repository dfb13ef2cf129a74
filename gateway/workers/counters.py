"""Merges the metrics of all workers. Workers send samples, the master keeps them, a worker writes the text."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Of one process: {family: [type, help, [[name, labels, value], …]]}. Plain, so that it can be sent as JSON.
Samples = dict[str, list[Any]]

ENDS: Final = "dorami_worker_ends"
CUMULATIVE: Final = ("counter", "histogram", "summary")  # types that continue when a worker is replaced


def samples_of(registry: CollectorRegistry) -> Samples:
    """Return the current samples of a process, without the times at which counters were created."""
    return {
        family.name: [
            family.type,
            family.documentation,
            [[s.name, s.labels, s.value] for s in family.samples if not s.name.endswith("_created")],
        ]
        for family in registry.collect()
    }


def added(kept: Samples, samples: Samples) -> Samples:
    """Return `samples` with the counters of `kept` added, including those that only `kept` has."""
    total = {family: [kind, text, list(rows)] for family, (kind, text, rows) in samples.items()}
    for family, (kind, text, rows) in kept.items():
        if kind not in CUMULATIVE:
            continue
        mine = total.setdefault(family, [kind, text, []])
        index = {_key(name, labels): number for number, (name, labels, _) in enumerate(mine[2])}
        for name, labels, value in rows:
            number = index.get(_key(name, labels))
            if number is None:
                mine[2].append([name, labels, value])
            else:
                mine[2][number] = [name, labels, mine[2][number][2] + value]
    return total


class Totals:
    """The metrics of the workers of each index, in the master: counters of workers that have ended are kept."""

    def __init__(self, indexes: Iterable[int]) -> None:
        self._kept: dict[int, Samples] = {index: {} for index in indexes}

    def ended(self, index: int, samples: Samples, reason: str) -> None:
        """Keep the counters of a worker that has ended, and count its end."""
        counted: Samples = {ENDS: ["counter", "", [[f"{ENDS}_total", {"reason": reason}, 1]]]}
        self._kept[index] = added(self._kept[index], _only(samples, cumulative=True))
        self._kept[index] = added(self._kept[index], counted)

    def shown(
        self, serving: Mapping[int, Samples], retiring: Iterable[tuple[int, Samples]]
    ) -> list[tuple[str, Samples]]:
        """Return samples by the value of the label `worker`.

        The label is the index, so that counters continue when a worker is replaced. The gauges of a retiring worker
        have the label `<index>-retiring`.

        Args:
            serving: The samples of the workers that serve, by index.
            retiring: The indexes and samples of workers that have been replaced and still run.
        """
        retiring = list(retiring)
        workers = []
        for index, kept in self._kept.items():
            before = kept
            for other, samples in retiring:
                if other == index:
                    before = added(before, _only(samples, cumulative=True))
            workers.append((str(index), added(before, serving.get(index, {}))))
        return workers + [(f"{index}-retiring", _only(samples, cumulative=False)) for index, samples in retiring]


class _Merged(Collector):
    def __init__(self, workers: Iterable[tuple[str, Samples]]) -> None:
        self._workers = list(workers)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, samples in self._workers:
            for family, (kind, text, rows) in samples.items():
                metric = families.setdefault(family, Metric(family, text, kind))
                for name, labels, value in rows:
                    metric.add_sample(name, {**labels, "worker": worker}, value)
        yield from families.values()


def text_of(workers: Iterable[tuple[str, Samples]]) -> bytes:
    """Return the Prometheus text of several workers, distinguished by the label `worker`."""
    registry = CollectorRegistry()
    registry.register(_Merged(workers))
    return generate_latest(registry)


def _only(samples: Samples, *, cumulative: bool) -> Samples:
    return {family: entry for family, entry in samples.items() if (entry[0] in CUMULATIVE) == cumulative}


def _key(name: str, labels: dict[str, str]) -> str:
    return name + json.dumps(labels, sort_keys=True)
