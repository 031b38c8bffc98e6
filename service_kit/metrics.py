"""Prometheus metrics that every process has. Services define their own beside their code."""

from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from starlette.responses import Response

REQUEST_SECONDS = Histogram(
    "marquee_http_request_seconds",
    "Time from request to answer",
    ["service", "method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


def metrics_answer() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
