"""The outbox inside the document: a change and its unsent events are one atomic write.

A store puts `outbox_entry(event)` into the field `outbox` of the document it changes, in the same update.
The relay publishes what it finds there and pulls what the broker confirmed. A crash in between sends an event twice,
never not at all; consumers are idempotent.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from prometheus_client import Counter
from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from messaging.envelope import Event
from messaging.publisher import Publisher
from service_kit.tasks import background, woken

Document = dict[str, Any]
POLL_SECONDS = 1.0
BATCH = 500
PUBLISHED = Counter("marquee_events_published", "Events confirmed by the broker", ["type"])


def outbox_entry(event: Event[Any]) -> Document:
    """How an event waits in a document: its wire form."""
    return event.to_document()


async def ensure_outbox_index(collection: AsyncCollection[Document]) -> None:
    """Serves the relay's one query: documents that have something to send, oldest first. Holds only those."""
    await collection.create_index(
        [("outbox.time", ASCENDING)],
        name="outbox_waiting",
        partialFilterExpression={"outbox.id": {"$exists": True}},
    )


async def drain(collection: AsyncCollection[Document], publisher: Publisher) -> int:
    """Publish one batch of what waits in `collection`; returns how many events were confirmed.

    Events of one document keep their order. Raises Unavailable where the broker doesn't confirm; what was confirmed by
    then is pulled all the same.
    """
    waiting = await collection.find(
        {"outbox.id": {"$exists": True}}, {"outbox": 1}, sort=[("outbox.time", ASCENDING)], limit=BATCH
    ).to_list()
    if not waiting:
        return 0
    sent: list[list[str]] = [[] for _ in waiting]

    async def send(index: int) -> None:
        for entry in waiting[index]["outbox"]:
            await publisher.publish(entry)
            PUBLISHED.labels(entry["type"]).inc()
            sent[index].append(entry["id"])

    outcomes = await asyncio.gather(*(send(index) for index in range(len(waiting))), return_exceptions=True)
    pulls = [
        UpdateOne({"_id": document["_id"]}, {"$pull": {"outbox": {"id": {"$in": ids}}}})
        for document, ids in zip(waiting, sent, strict=True)
        if ids
    ]
    if pulls:
        await collection.bulk_write(pulls, ordered=False)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return sum(map(len, sent))


class Relay:
    """Drains the outboxes of some collections for ever: woken by a change stream, polling as the truth."""

    def __init__(self, collections: Sequence[AsyncCollection[Document]], publisher: Publisher) -> None:
        self._collections = collections
        self._publisher = publisher

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for collection in self._collections:
                await ensure_outbox_index(collection)
                wake = asyncio.Event()
                await stack.enter_async_context(background(f"relay:{collection.name}", self._loop(collection, wake)))
                await stack.enter_async_context(background(f"watch:{collection.name}", self._watch(collection, wake)))
            yield

    def _loop(self, collection: AsyncCollection[Document], wake: asyncio.Event) -> Any:
        async def loop() -> None:
            while True:
                wake.clear()
                if await drain(collection, self._publisher) < BATCH:
                    await woken(wake, POLL_SECONDS)

        return loop

    def _watch(self, collection: AsyncCollection[Document], wake: asyncio.Event) -> Any:
        # The stream only says "look again", so nothing of the documents is sent along. Changes with nothing to tell
        # wake nobody: bookings are inserted and seat maps changed by the thousand in an on-sale, and by what it pulls
        # itself the relay would look again after each of its own steps.
        told = {"operationType": "insert", "fullDocument.outbox.0": {"$exists": True}}
        fields = {"$objectToArray": {"$ifNull": ["$updateDescription.updatedFields", {}]}}
        pushed = {
            "$and": [{"$in": [{"$substrCP": ["$$this.k", 0, 7]}, ["outbox", "outbox."]]}, {"$ne": ["$$this.v", []]}]
        }
        added = {"operationType": "update", "$expr": {"$anyElementTrue": [{"$map": {"input": fields, "in": pushed}}]}}
        pipeline: list[Document] = [
            {"$match": {"$or": [told, added, {"operationType": "replace"}]}},
            {"$project": {"_id": 1}},
        ]

        async def loop() -> None:
            async with await collection.watch(pipeline, max_await_time_ms=1_000) as stream:
                async for _ in stream:
                    wake.set()

        return loop
