"""What an engine counts, as families of Prometheus; made when somebody asks (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..wire import ERRNO_NAMES
from .counters import BATCHES, DURATIONS, Calls, Traffic, Transactions

SECOND = 10**9
"""Nanoseconds."""


class Reading(Collector):
    """What a function tells at each scrape."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """What it tells now."""
        return self._read()


def of_calls(calls: Calls) -> Iterator[Metric]:
    """How long each primitive took, and how it failed."""
    durations = HistogramMetricFamily(
        "metaparity_call_seconds", "Calls of a primitive by duration.", labels=["primitive"]
    )
    errors = CounterMetricFamily(
        "metaparity_call_errors", "Calls of a primitive that failed.", labels=["primitive", "errno"]
    )
    bounds = [bound / SECOND for bound in DURATIONS]
    with calls.lock:
        for primitive, call in calls.by_primitive.items():
            durations.add_metric([primitive], _buckets(bounds, call.took), call.nanoseconds / SECOND)
            for kind, number in call.errors.items():
                name = kind if isinstance(kind, str) else ERRNO_NAMES.get(kind, str(kind))
                errors.add_metric([primitive, name], number)
    yield from (durations, errors)


def of_transactions(transactions: Transactions) -> Iterator[Metric]:
    """How often transactions were tried, and why again."""
    with transactions.lock:
        attempts, conflicts = transactions.attempts, transactions.conflicts
        refusals = dict(transactions.retries)
    yield CounterMetricFamily(
        "metaparity_transaction_attempts", "Attempts of transactions, the first and every further.", attempts
    )
    yield CounterMetricFamily(
        "metaparity_transaction_conflicts", "Attempts that found a watched key changed.", conflicts
    )
    retries = CounterMetricFamily(
        "metaparity_transaction_retries",
        "Attempts that the server refused for the time being.",
        labels=["code"],
    )
    for code, number in refusals.items():
        retries.add_metric([code], number)
    yield retries


def of_traffic(traffic: Mapping[str, Traffic]) -> Iterator[Metric]:
    """What goes over the connections of each kind."""
    labels = ["connection"]
    batches = HistogramMetricFamily(
        "metaparity_batch_commands", "Sends by the number of commands in them.", labels=labels
    )
    size = CounterMetricFamily("metaparity_sent_bytes", "Bytes sent.", labels=labels)
    dialled = CounterMetricFamily("metaparity_connections_dialled", "Connections made.", labels=labels)
    lost = CounterMetricFamily("metaparity_connections_lost", "Connections lost.", labels=labels)
    for kind, seen in traffic.items():
        with seen.lock:
            batches.add_metric([kind], _buckets(BATCHES, seen.batches), seen.commands)
            size.add_metric([kind], seen.bytes)
            dialled.add_metric([kind], seen.dialled)
            lost.add_metric([kind], seen.lost)
    yield from (batches, size, dialled, lost)


def of_clients(clients: Mapping[str, Iterable[Metric]]) -> Iterable[Metric]:
    """The families of several engines in one: each sample has the label `client`, too."""
    whole: dict[str, Metric] = {}
    for client, families in clients.items():
        for family in families:
            merged = whole.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                merged.samples.append(sample._replace(labels={"client": client, **sample.labels}))
    return whole.values()


def registry_of(read: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """A registry of its own for what `read` tells: two engines in one process never clash."""
    registry = CollectorRegistry()
    registry.register(Reading(read))
    return registry


def _buckets(bounds: Sequence[float], numbers: Sequence[int]) -> list[tuple[str, float]]:
    """The buckets of a histogram, each with all below it."""
    names = [*map(str, bounds), "+Inf"]
    return list(zip(names, accumulate(numbers), strict=True))
