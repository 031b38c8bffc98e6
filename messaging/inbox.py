"""The inbox: remembers which events a consumer has dealt with, where no aggregate version can tell."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from service_kit.clock import Clock

REMEMBERED = timedelta(days=30)


class Inbox:
    """Ids of events whose effect is done: `{_id: "<consumer>:<event id>", at}`.

    The effect comes first and the note second, so a crash in between repeats the effect: it must bear that (an
    idempotency key of the event id towards whatever it calls). What the inbox adds is that a redelivery days later,
    when such keys are forgotten, does nothing.
    """

    def __init__(self, collection: AsyncCollection[Any], clock: Clock) -> None:
        self._notes = collection
        self._clock = clock

    async def prepare(self) -> None:
        # The broker redelivers within hours, people replay within days; then MongoDB drops the note.
        await self._notes.create_index("at", expireAfterSeconds=int(REMEMBERED.total_seconds()))

    async def once(self, consumer: str, event_id: str, effect: Callable[[], Awaitable[None]]) -> bool:
        """Run `effect` unless this consumer is known to have done so; returns whether it ran."""
        note = f"{consumer}:{event_id}"
        if await self._notes.find_one({"_id": note}, {"_id": 1}):
            return False
        await effect()
        try:
            await self._notes.insert_one({"_id": note, "at": self._clock.now()})
        except DuplicateKeyError:
            return True  # the same event was delivered twice at once; both effects ran
        return True
