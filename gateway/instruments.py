"""Counters and histograms of what happens with every message: plain numbers until they are scraped. Used by metrics."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Counter:
    """A number that only grows.

    That of prometheus_client takes a lock and 0.6 µs. Here only the thread of the event loop counts.
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Add to it."""
        self.value += amount


class Histogram:
    """How often something took how long, in seconds."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # by bucket; the last has what took longer than all bounds
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count once more."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds


class CounterFamily(Collector):
    """A metric of tallies, one for each combination of its labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._about = name, documentation
        self._labels = labels
        self._children: dict[tuple[str, ...], Counter] = {}
        registry.register(self)

    def labels(self, *values: str) -> Counter:
        """Return the counter of these label values, always the same object."""
        return self._children.setdefault(values, Counter())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for values, tally in self._children.items():
            family.add_metric(values, tally.value)
        yield family


class HistogramFamily(Collector):
    """A metric of spreads, one for each combination of its labels. `bounds` are those of its buckets, ascending."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._about = name, documentation
        self._labels = labels
        self._bounds = bounds
        self._children: dict[tuple[str, ...], Histogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> Histogram:
        """Return the histogram of these label values, always the same object."""
        return self._children.setdefault(values, Histogram(self._bounds))

    @property
    def count(self) -> int:
        """How often anything was observed, over all labels."""
        return sum(sum(child.counts) for child in self._children.values())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*map(str, map(float, self._bounds)), "+Inf"]
        for values, spread in self._children.items():
            family.add_metric(values, list(zip(names, accumulate(spread.counts), strict=True)), spread.sum)
        yield family


class PoolUse(NamedTuple):
    """How a pool of connections is used at one moment, in connections and in callers that wait for one."""

    in_use: int
    waiting: int
    size: int
    lost: int  # in use, although nobody can be using them


class PoolFamily(Collector):
    """Gauges of connection pools, read when they are scraped: `<name>_in_use`, `_waiting`, `_size` and `_lost`."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._pools: dict[str, Callable[[], PoolUse]] = {}
        registry.register(self)

    def watch(self, pool: str, use: Callable[[], PoolUse]) -> None:
        """Show a pool under this label; a later one of the same label takes its place."""
        self._pools[pool] = use

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        uses = {pool: use() for pool, use in self._pools.items()}
        for field, text in (
            ("in_use", "Connections in use"),
            ("waiting", "Callers that wait for a connection"),
            ("size", "Most connections there may be"),
            ("lost", "Connections held for longer than any call may take: they were lost to the pool"),
        ):
            family = GaugeMetricFamily(f"{self._name}_{field}", text, labels=["pool"])
            for pool, use in uses.items():
                family.add_metric([pool], getattr(use, field))
            yield family
