"""Prometheus metrics that every process has. Services define their own beside their code.

With `PROMETHEUS_MULTIPROC_DIR` set, as the local stack does, the processes of a machine write theirs into files there,
and each of them answers for all.
"""

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

SHARED = "PROMETHEUS_MULTIPROC_DIR"
REQUEST_SECONDS = Histogram(
    "marquee_http_request_seconds",
    "Time from request to answer",
    ["service", "method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


def metrics_answer() -> Response:
    registry = REGISTRY
    if SHARED in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
