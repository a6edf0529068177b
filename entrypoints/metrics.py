"""What a process counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One process's counters, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "hexcast_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "hexcast_request_seconds", "How long answers took.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self.kept = Counter("hexcast_answers_kept", "Answers given from memory.", registry=self._registry)
        self.events = Counter(
            "hexcast_events", "Events handed to their consumers, by what became of it.", ("outcome",),
            registry=self._registry,
        )  # fmt: skip
        self.transcodes = Counter(
            "hexcast_transcode_reports", "What transcoders reported.", ("state",), registry=self._registry
        )
        self.failures = Counter(
            "hexcast_background_failures", "Background work that failed.", ("task",), registry=self._registry
        )
        self._requests_seen: dict[tuple[str, str, int], Counter] = {}
        self._seconds_seen: dict[str, Histogram] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request more. ``route`` is a template, so that there are few of them."""
        key = (route, method, status)
        counter = self._requests_seen.get(key)
        if counter is None:
            counter = self._requests_seen[key] = self.requests.labels(route, method, status)
        counter.inc()
        histogram = self._seconds_seen.get(route)
        if histogram is None:
            histogram = self._seconds_seen[route] = self.seconds.labels(route)
        histogram.observe(seconds)

    def exposed(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)
