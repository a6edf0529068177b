"""What a process counts, for Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One process's counters: plain ones, because all of it happens on one event loop. Prometheus's library, which
    takes long to load, only writes them down when asked.
    """

    def __init__(self, *, worker: int | None = None) -> None:
        """``worker`` is which of several processes this is: each counts for itself, and says so with a label."""
        self._labels = {} if worker is None else {"worker": str(worker)}
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By route, which is a template so that there are few, method and status."""
        self.under_way = 0
        """Requests that are not answered yet."""
        self.kept = 0
        """Answers given from memory."""
        self.events: Counter[str] = Counter()
        """Events handed to their consumers, by what became of it: delivered, failed, dead."""
        self.reports: Counter[str] = Counter()
        """What transcoders reported, by state."""
        self.failures: Counter[str] = Counter()
        """Background work that failed, by task."""
        self._buckets: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request more."""
        self.requests[route, method, status] += 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(BUCKETS_S) + 1)
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._sums[route] += seconds  # type: ignore[assignment]  # a Counter adds up any numbers

    def exposed(self) -> bytes:
        """All of it in Prometheus's text format."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  (late: see above)

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """For Prometheus's library."""
        from prometheus_client.core import (  # noqa: PLC0415  (late: see above)
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        own, mine = tuple(self._labels), tuple(self._labels.values())
        requests = CounterMetricFamily(
            "hexcast_requests", "Requests answered.", labels=(*own, "route", "method", "status")
        )
        for (route, method, status), count in self.requests.items():
            requests.add_metric((*mine, route, method, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("hexcast_request_seconds", "How long answers took.", labels=(*own, "route"))
        for route, buckets in self._buckets.items():
            bounds = [*map(str, BUCKETS_S), "+Inf"]
            seconds.add_metric((*mine, route), list(zip(bounds, accumulate(buckets), strict=True)), self._sums[route])
        yield seconds
        under_way = GaugeMetricFamily("hexcast_requests_under_way", "Requests not answered yet.", labels=own)
        under_way.add_metric(mine, self.under_way)
        yield under_way
        kept = CounterMetricFamily("hexcast_answers_kept", "Answers given from memory.", labels=own)
        kept.add_metric(mine, self.kept)
        yield kept
        for name, about, label, counts in (
            ("hexcast_events", "Events handed to their consumers.", "outcome", self.events),
            ("hexcast_transcode_reports", "What transcoders reported.", "state", self.reports),
            ("hexcast_background_failures", "Background work that failed.", "task", self.failures),
        ):
            family = CounterMetricFamily(name, about, labels=(*own, label))
            for key, count in counts.items():
                family.add_metric((*mine, key), count)
            yield family
