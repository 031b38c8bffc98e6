"""Use cases of events."""

from collections.abc import Sequence
from typing import Any

from messaging.events import EventState
from service_kit.clock import Clock
from service_kit.errors import NotFound
from service_kit.ids import new_id
from service_kit.mongo import Document
from venues_service.domain.drafts import ChangedMeanwhile, Wanted, merge, parse
from venues_service.domain.events import EventDraft, EventInUse, draft_fields, event_state
from venues_service.handlers.common import ATTEMPTS, Outcome, Outcomes, Precondition, insert, part_by_ref, told
from venues_service.handlers.slots import Slots
from venues_service.store.events import Events, document_of, fields_of
from venues_service.store.halls import Halls


class EventHandlers:
    def __init__(self, *, events: Events, halls: Halls, slots: Slots, clock: Clock) -> None:
        self._events = events
        self._halls = halls
        self._slots = slots
        self._clock = clock

    async def create(self, wanted: Sequence[Wanted[EventDraft]]) -> list[Outcome[EventState]]:
        outcomes: Outcomes[EventState] = {}
        rest = await part_by_ref(self._events, wanted, outcomes)
        states, documents = {}, {}
        for at, item in rest.items():
            state = states[at] = event_state(item.id, 1, item.draft)
            documents[at] = document_of(state, item.ref, told("EventCreated", item.id, 1, state, self._clock))
        await insert(self._events, documents, states, outcomes, _no_other_key)
        return [outcomes[at] for at in range(len(wanted))]

    async def get(self, event_id: str) -> EventState:
        event = await self._events.find(event_id)
        if event is None:
            raise NotFound("There is no such event")
        return event

    async def page(
        self, position: Sequence[Any] | None, limit: int, *, category: str | None, text: str | None
    ) -> tuple[list[EventState], str | None]:
        return await self._events.page(position, limit, category=category, text=text)

    async def change(self, event_id: str, patch: dict[str, Any], precondition: Precondition) -> EventState:
        """Apply a merge patch. Raises NotFound, PreconditionFailed, Invalid."""
        for _ in range(ATTEMPTS):
            present = await self.get(event_id)
            precondition(present.version)
            draft = parse(EventDraft, merge(draft_fields(present), patch))
            state = event_state(event_id, present.version + 1, draft)
            if state.model_copy(update={"version": present.version}) == present:
                return present
            event = told("EventUpdated", event_id, state.version, state, self._clock)
            if await self._events.change(event_id, present.version, fields_of(state), event):
                return state
        raise ChangedMeanwhile

    async def delete(self, event_id: str, precondition: Precondition) -> None:
        """Raises NotFound, PreconditionFailed, EventInUse. See `VenueHandlers.delete` for the order of the steps."""
        present = await self.get(event_id)
        precondition(present.version)
        token = new_id()
        if not await self._events.begin_deletion(event_id, present.version, token, self._clock.now()):
            raise ChangedMeanwhile
        halls = await self._halls.in_use_by(event_id, self._clock.now())
        if await self._slots.any_upcoming(halls, event_id):
            await self._events.give_up_deletion(event_id, token)
            raise EventInUse
        state = present.model_copy(update={"version": present.version + 1})
        event = told("EventDeleted", event_id, state.version, state, self._clock)
        if not await self._events.finish_deletion(event_id, token, event):
            raise ChangedMeanwhile


async def _no_other_key(document: Document) -> None:
    """Events have no unique key beside id and ref."""
