"""Queue → handler. Batches, since thousands of showtimes come at once when a programme is published."""

from indexer.handlers import Handlers
from messaging.consumer import Subscription

BATCH = 500


def subscriptions(handlers: Handlers) -> list[Subscription]:
    return [
        Subscription("indexer.catalogue", batch=handlers.catalogue, prefetch=BATCH),
        Subscription("indexer.availability", batch=handlers.availability, prefetch=BATCH),
    ]
