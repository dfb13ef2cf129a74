"""Counters and histograms for every message: plain numbers until they are scraped. Used by metrics."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Counter:
    """A number that only grows.

    The counter of prometheus_client takes a lock and 0.6 µs. This one is for the thread of the event loop only.
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Add to it."""
        self.value += amount


class Histogram:
    """The distribution of durations in s."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # by bucket; the last is for durations above all bounds
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds


class CounterFamily(Collector):
    """A metric with a counter for each combination of its labels."""

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
        for values, counter in self._children.items():
            family.add_metric(values, counter.value)
        yield family


class HistogramFamily(Collector):
    """A metric with a histogram for each combination of its labels. `bounds`: of the buckets in s, ascending."""

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
        """The number of observed durations, over all labels."""
        return sum(sum(child.counts) for child in self._children.values())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*map(str, map(float, self._bounds)), "+Inf"]
        for values, child in self._children.items():
            family.add_metric(values, list(zip(names, accumulate(child.counts), strict=True)), child.sum)
        yield family


class PoolUse(NamedTuple):
    """The use of a connection pool at one moment, in connections and in waiting callers."""

    in_use: int
    waiting: int
    size: int
    lost: int  # counted as in use, although no caller has them


class PoolFamily(Collector):
    """Gauges of connection pools, read when they are scraped: `<name>_in_use`, `_waiting`, `_size` and `_lost`."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._pools: dict[str, Callable[[], PoolUse]] = {}
        registry.register(self)

    def watch(self, pool: str, use: Callable[[], PoolUse]) -> None:
        """Show a pool under this label; a later pool of the same label replaces it."""
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
