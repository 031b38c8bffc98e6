"""Room for open streams: so many in one process, and so many for one address."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client

from inventory_service.config import Settings
from service_kit.errors import TooManyRequests, Unavailable

RETRY_SECONDS = 5

STREAMS = prometheus_client.Gauge(
    "marquee_live_streams", "Open streams of seat maps and bookings", multiprocess_mode="livesum"
)


class TooManyStreams(Unavailable):
    slug, title = "too-many-streams", "This process has as many open streams as it takes"


class Places:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, address: str) -> Iterator[None]:
        """Room for one more stream. Raises TooManyStreams, TooManyRequests."""
        settings = self._settings
        if self._taken.total() >= settings.most_streams:
            raise TooManyStreams(retry_after=RETRY_SECONDS)
        if settings.limited and self._taken[address] >= settings.most_streams_per_address:
            raise TooManyRequests("Too many open streams from this address", retry_after=RETRY_SECONDS)
        self._taken[address] += 1
        STREAMS.inc()
        try:
            yield
        finally:
            STREAMS.dec()
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
