"""What happens to a cache, as families of Prometheus (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .cache import Counters


def of_cache(counters: Counters, entries: int, size: int) -> Iterator[Metric]:
    """How often a cache answered, and how much it keeps: replies, and their bytes."""
    with counters.lock:
        told = {
            "hits": (counters.hits, "Commands answered in calls that sent nothing."),
            "misses": (counters.misses, "Commands that were waited for."),
            "invalidations": (counters.invalidations, "Keys that the server said had changed."),
            "evictions": (counters.evictions, "Keys whose replies made room."),
        }
    for name, (number, text) in told.items():
        yield CounterMetricFamily(f"metaparity_cache_{name}", text, number)
    yield GaugeMetricFamily("metaparity_cache_entries", "Replies that are kept.", entries)
    yield GaugeMetricFamily("metaparity_cache_bytes", "About how many bytes they take.", size)
