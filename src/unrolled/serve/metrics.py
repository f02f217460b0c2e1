"""What a service counts, as Prometheus reads it, and a line in the log for each request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from unrolled.serve.limits import OPEN_TO_ALL, App, Receive, Scope, Send, address_of, is_neighbour
from unrolled.serve.logs import say

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OUTCOMES = ("answered", "refused", "failed")  # of a message


class Metrics:
    """The counts of one process.

    Args:
        worker: its number, a label of all counts.
    """

    def __init__(self, worker: int) -> None:
        self.worker = str(worker)
        self.registry = CollectorRegistry()
        make: Any = {"registry": self.registry}
        self.requests = Counter(
            "unrolled_requests", "Requests answered.", ["worker", "route", "method", "status"], **make
        )
        self.seconds = Histogram(
            "unrolled_request_seconds", "Time to answer.", ["worker", "route"], buckets=BUCKETS, **make
        )
        messages = Counter(
            "unrolled_messages", "Messages of streams answered.", ["worker", "outcome"], **make
        )
        self._messages = {outcome: messages.labels(self.worker, outcome) for outcome in OUTCOMES}
        seconds = Histogram(
            "unrolled_message_seconds", "Time to answer one.", ["worker"], buckets=BUCKETS, **make
        )
        self._message_seconds = seconds.labels(self.worker)
        sockets = Gauge("unrolled_sockets", "Streams that are open.", ["worker"], **make)
        self.sockets = sockets.labels(self.worker)

    def message(self, outcome: str, seconds: float) -> None:
        """Count one of a stream that has been answered; outcome: one of `OUTCOMES`."""
        self._messages[outcome].inc()
        self._message_seconds.observe(seconds)

    def watch(self, states: Callable[[], dict[str, dict[str, float]]]) -> None:
        """Ask for the numbers of each model's sessions when they are read."""
        self.registry.register(_States(states, self.worker))

    def text(self, others: Iterable[str] = ()) -> bytes:
        """All counts; those of other processes among them, whose texts came."""
        own = generate_latest(self.registry)
        texts = list(others)
        if not texts:
            return own
        families: dict[str, Metric] = {}
        for text in (own.decode(), *texts):
            for family in text_string_to_metric_families(text):
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                families[family.name].samples += family.samples
        merged = CollectorRegistry()
        merged.register(_Families(list(families.values())))
        return generate_latest(merged)


class _States:
    def __init__(self, states: Callable[[], dict[str, dict[str, float]]], worker: str) -> None:
        self.states, self.worker = states, worker

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for model, numbers in self.states().items():
            for name, number in numbers.items():
                family = families.setdefault(
                    name,
                    GaugeMetricFamily(
                        f"unrolled_engine_{name}",
                        f"Of the sessions: {name.replace('_', ' ')}.",
                        labels=["worker", "model"],
                    ),
                )
                family.add_metric([self.worker, model], number)
        yield from families.values()

    def describe(self) -> Iterable[Metric]:
        return ()


class _Families:
    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        yield from self.families


class Observed:
    """Count each request, and log it: by the name of its route, since a session's id is a secret."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_neighbour(scope):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"].endswith("response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            method = scope.get("method", "WEBSOCKET")
            method = method if method in ("GET", "POST", "DELETE", "WEBSOCKET") else "other"
            labels = (self.metrics.worker, route)
            self.metrics.requests.labels(*labels, method, str(status)).inc()
            if scope["type"] == "http":
                self.metrics.seconds.labels(*labels).observe(seconds)
            if scope["path"] not in OPEN_TO_ALL:
                say(
                    "answered" if scope["type"] == "http" else "stream ended",
                    route=route,
                    method=method,
                    status=status,
                    ms=round(seconds * 1000, 2),
                    client=address_of(scope),
                )
