"""Use cases of halls and their layouts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from messaging.events import HallState
from service_kit.clock import Clock
from service_kit.errors import NotFound
from service_kit.mongo import Document
from venues_service.domain.differences import Difference, difference
from venues_service.domain.drafts import ChangedMeanwhile, Wanted
from venues_service.domain.halls import Hall, HallInUse, HallPlan
from venues_service.domain.layouts import Layout
from venues_service.handlers.common import ATTEMPTS, Outcome, Outcomes, Precondition, insert, part_by_ref, told
from venues_service.handlers.slots import Slots
from venues_service.store.halls import Halls, document_of
from venues_service.store.layouts import Layouts
from venues_service.store.venues import Venues


@dataclass(frozen=True)
class Published:
    """A layout version and what it changed."""

    hall: HallState
    changes: Difference


class HallHandlers:
    def __init__(self, *, venues: Venues, halls: Halls, layouts: Layouts, slots: Slots, clock: Clock) -> None:
        self._venues = venues
        self._halls = halls
        self._layouts = layouts
        self._slots = slots
        self._clock = clock

    async def create(self, wanted: Sequence[Wanted[HallPlan]]) -> list[Outcome[HallState]]:
        """Create halls, each on its own; a NotFound stands for one whose venue isn't there."""
        outcomes: Outcomes[HallState] = {}
        rest = await part_by_ref(self._halls, wanted, outcomes)
        venues = await self._venues.find_each([item.draft.venue_id for item in rest.values()])
        states, documents = {}, {}
        for at, item in rest.items():
            plan = item.draft
            if plan.venue_id not in venues:
                outcomes[at] = NotFound("There is no such venue")
                continue
            state = states[at] = HallState(
                hall_id=item.id,
                venue_id=plan.venue_id,
                version=1,
                name=plan.name,
                layout_version=1,
                seat_count=plan.layout.seat_count,
            )
            event = told("HallCreated", item.id, 1, state, self._clock)
            documents[at] = document_of(state, plan.layout, item.ref, event)
        # First what is referred to, then what refers to it.
        await self._layouts.save(rest[at].draft.layout for at in states)
        await insert(self._halls, documents, states, outcomes, _no_other_key)
        return [outcomes[at] for at in range(len(wanted))]

    async def get(self, venue_id: str, hall_id: str) -> Hall:
        """Raises NotFound, also for a hall of another venue or of a deleted one."""
        hall = await self._halls.find(hall_id)
        if hall is None or hall.state.venue_id != venue_id or await self._venues.find(venue_id) is None:
            raise NotFound("There is no such hall in this venue")
        return hall

    async def page(self, venue_id: str, position: Sequence[Any] | None, limit: int) -> tuple[list[Hall], str | None]:
        if await self._venues.find(venue_id) is None:
            raise NotFound("There is no such venue")
        return await self._halls.page(position, limit, venue_id=venue_id)

    async def layout(self, venue_id: str, hall_id: str, version: int) -> bytes:
        """The JSON of a layout version. Raises NotFound."""
        stored = await self._halls.layout(venue_id, hall_id, version)
        if stored is None:
            raise NotFound("There is no such layout version")
        return await self._layouts.text(stored.digest)

    async def publish(self, venue_id: str, hall_id: str, layout: Layout, precondition: Precondition) -> Published:
        """Make a new layout version; the present one again when nothing differs.

        Raises NotFound, PreconditionFailed.
        """
        for _ in range(ATTEMPTS):
            hall = await self.get(venue_id, hall_id)
            precondition(hall.state.version)
            old = await self._layouts.text(hall.layout_digest)
            changes = await asyncio.to_thread(difference, old, layout.text)
            if hall.has(layout):
                return Published(hall.state, changes)
            await self._layouts.save([layout])
            state = hall.state.model_copy(
                update={
                    "version": hall.state.version + 1,
                    "layout_version": hall.state.layout_version + 1,
                    "seat_count": layout.seat_count,
                }
            )
            event = told("LayoutPublished", hall_id, state.version, state, self._clock)
            if await self._halls.publish(state, layout, event):
                return Published(state, changes)
        raise ChangedMeanwhile

    async def delete(self, venue_id: str, hall_id: str, precondition: Precondition) -> None:
        """Raises NotFound, PreconditionFailed, HallInUse."""
        for _ in range(ATTEMPTS):
            hall = await self.get(venue_id, hall_id)
            precondition(hall.state.version)
            if await self._slots.any_upcoming([hall]):
                raise HallInUse
            if await self.delete_unused([hall]):
                return
        raise ChangedMeanwhile

    async def delete_unused(self, halls: Sequence[Hall]) -> bool:
        """Delete these halls; False when one was changed or claimed meanwhile."""
        for hall in halls:
            state = hall.state.model_copy(update={"version": hall.state.version + 1})
            event = told("HallDeleted", state.hall_id, state.version, state, self._clock)
            if not await self._halls.delete_unused(hall.state, self._clock.now(), event):
                return False
        return True


async def _no_other_key(document: Document) -> None:
    """Halls have no unique key beside id and ref."""
