"""The indexer's wiring. It has no HTTP side: searches are the search service's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from indexer.config import Settings
from indexer.consumers import subscriptions
from indexer.handlers import Handlers
from indexer.index import Indices
from indexer.pusher import Pusher
from indexer.rebuild import BULK_SECONDS
from indexer.store.rows import ReadModel
from messaging.consumer import Consumer
from messaging.topology import Topology
from search_index.client import open_elasticsearch
from service_kit.clock import Clock, SystemClock
from service_kit.mongo import open_database
from service_kit.tasks import background, every

SWEEP_SECONDS = 5.0


@asynccontextmanager
async def worker(settings: Settings, clock: Clock | None = None) -> AsyncIterator[None]:
    """While entered: events are merged, rows pushed, and what has started taken out of the index."""
    clock = clock or SystemClock()
    topology = Topology(settings.namespace)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, "search"))
        client = await stack.enter_async_context(open_elasticsearch(settings.elasticsearch_url, seconds=BULK_SECONDS))
        model = ReadModel(database, clock)
        await model.prepare()
        pusher = Pusher(model, Indices(client, settings.namespace), clock)
        for subscription in subscriptions(Handlers(model, pusher.wake)):
            consumer = Consumer(settings.amqp_url.get_secret_value(), topology, subscription)
            await stack.enter_async_context(consumer.running())
        await stack.enter_async_context(background("index:push", pusher.run))
        await stack.enter_async_context(background("index:entries", pusher.run_entries))
        await stack.enter_async_context(background("index:sweep", partial(every, SWEEP_SECONDS, model.mark_started)))
        yield
