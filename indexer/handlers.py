"""One function per queue: a batch of events merged into the read model."""

from collections.abc import Callable, Sequence
from typing import Any

from indexer import domain
from indexer.domain import Kind, Part, ShowtimeChange
from indexer.store.rows import ReadModel
from messaging.envelope import Event

DELETED = frozenset({"EventDeleted", "VenueDeleted"})


class Handlers:
    """`wake` is called whenever rows may be due for pushing."""

    def __init__(self, model: ReadModel, wake: Callable[[], None]) -> None:
        self._model = model
        self._wake = wake

    async def catalogue(self, events: Sequence[Event[Any]]) -> None:
        """Venues, events and showtimes, in any order and any number of times."""
        parts = domain.newest_parts(part for event in events if (part := _part(event)))
        changes = [domain.showtime_change(event.data) for event in events if event.type.startswith("Showtime")]
        await self._model.entries.remember(parts)
        await self._model.fan_out(parts)
        await self._model.merge_showtimes(changes)
        await self._catch_up(changes)
        self._wake()

    async def availability(self, events: Sequence[Event[Any]]) -> None:
        changes = (domain.availability_change(event.data) for event in events)
        await self._model.merge_availability(domain.newest_availability(changes))
        self._wake()

    async def _catch_up(self, changes: Sequence[ShowtimeChange]) -> None:
        """Give freshly written rows the newer event or venue that had fanned out before they were there.

        A showtime carries its event as of its own writing. An EventUpdated that was handled earlier, or is being
        handled by another process, has fanned out over the rows of that moment. It was remembered before it fanned
        out, and here the row was written before we look: so either its fan-out met the row, or we meet what it
        remembered. Looking first and writing afterwards would leave a gap between the two.
        """
        oldest: dict[tuple[Kind, str], int] = {}
        for part in (part for change in changes for part in (change.event, change.venue)):
            oldest[part.kind, part.id] = min(part.rank, oldest.get((part.kind, part.id), part.rank))
        known = await self._model.entries.known(oldest)
        await self._model.fan_out([part for part in known if part.rank > oldest[part.kind, part.id]])


def _part(event: Event[Any]) -> Part | None:
    deleted = event.type in DELETED
    if event.type.startswith("Event"):
        return domain.event_part(event.data, deleted=deleted)
    if event.type.startswith("Venue"):
        return domain.venue_part(event.data, deleted=deleted)
    return None
