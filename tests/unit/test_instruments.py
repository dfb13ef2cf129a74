"""Plain tallies are scraped as what prometheus_client would have made of the same."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.instruments import CounterFamily, HistogramFamily

BOUNDS = (0.5, 1, 10.0)


def test_counters_are_scraped_like_those_of_prometheus() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallies = CounterFamily("sold", "What was sold", ["what"], ours)
    counter = Counter("sold", "What was sold", ["what"], registry=theirs)
    for what, amount in (("tea", 1), ("milk", 3), ("tea", 2)):
        tallies.labels(what).inc(amount)
        counter.labels(what).inc(amount)
    assert samples(ours) == samples(theirs)


def test_a_counter_without_labels() -> None:
    registry = CollectorRegistry()
    CounterFamily("sold", "What was sold", [], registry).labels().inc()
    assert registry.get_sample_value("sold_total") == 1


def test_histograms_are_scraped_like_those_of_prometheus() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spreads = HistogramFamily("took", "How long it took", ["what"], BOUNDS, ours)
    histogram = Histogram("took", "How long it took", ["what"], buckets=BOUNDS, registry=theirs)
    for what, seconds in (("tea", 0.1), ("tea", 0.5), ("milk", 0.75), ("tea", 2.0), ("tea", 99.0)):
        spreads.labels(what).observe(seconds)
        histogram.labels(what).observe(seconds)
    assert samples(ours) == samples(theirs)


def samples(registry: CollectorRegistry) -> list[bytes]:
    """Return the lines of a scrape, but for when each was made."""
    return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]
