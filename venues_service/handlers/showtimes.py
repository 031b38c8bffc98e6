"""Use cases of showtimes: creating (see `slots`), moving, cancelling, listing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from messaging.events import SeatMapLayout, ShowtimeState
from service_kit.clock import Clock
from service_kit.errors import DomainError, NotFound
from service_kit.mongo import Document
from service_kit.pages import encode_cursor
from venues_service.domain.drafts import ChangedMeanwhile, Wanted, merge, parse, refuse
from venues_service.domain.halls import Hall, HallBusy, Slot
from venues_service.domain.showtimes import (
    FIXED,
    ShowtimeDraft,
    ShowtimeOver,
    check_start,
    draft_fields,
    ends_at,
    priced,
    promotions,
    sales,
    scheduled,
    slot_of,
)
from venues_service.handlers.common import ATTEMPTS, Outcome, Outcomes, Precondition, insert, part_by_ref, told
from venues_service.handlers.slots import Slots
from venues_service.store.events import Events, StoredEvent
from venues_service.store.halls import Halls
from venues_service.store.layouts import Layouts
from venues_service.store.showtimes import Showtime, Showtimes, document_of, from_state
from venues_service.store.venues import Venue, Venues

# Local dates span from UTC+14 to UTC-12.
EAST, WEST = timedelta(hours=14), timedelta(hours=12)
BATCH = 200


@dataclass(frozen=True)
class ShowtimePlan:
    event_id: str
    draft: ShowtimeDraft


@dataclass(frozen=True)
class Filter:
    """What to list; `first` and `last` are days on the venue's own calendar."""

    event_id: str | None = None
    venue_id: str | None = None
    hall_id: str | None = None
    city: str | None = None
    first: date | None = None
    last: date | None = None


class ShowtimeHandlers:
    def __init__(
        self,
        *,
        venues: Venues,
        halls: Halls,
        layouts: Layouts,
        events: Events,
        showtimes: Showtimes,
        slots: Slots,
        clock: Clock,
    ) -> None:
        self._venues = venues
        self._halls = halls
        self._layouts = layouts
        self._events = events
        self._showtimes = showtimes
        self._slots = slots
        self._clock = clock

    async def create(self, wanted: Sequence[Wanted[ShowtimePlan]]) -> list[Outcome[ShowtimeState]]:
        """Create showtimes, each on its own; NotFound, Invalid or HallBusy stands for one that can't be.

        First all slots are claimed, then it is looked whether an event or a venue is being deleted (who deletes marks
        first and looks at the slots then), then the showtimes are stored.
        """
        outcomes: Outcomes[ShowtimeState] = {}
        rest = await part_by_ref(self._showtimes, wanted, outcomes)
        plans = {at: item.draft for at, item in rest.items()}
        halls = await self._halls.find_each([plan.draft.hall_id for plan in plans.values()])
        events, venues = await self._parents(plans)
        states: dict[int, ShowtimeState] = {}
        for at, item in rest.items():
            try:
                states[at] = self._state(item, events, venues, halls)
            except DomainError as error:
                outcomes[at] = error
        slots = await self._claim(states, outcomes)
        await self._unless_deleted({at: plans[at] for at in slots}, slots, outcomes)
        documents = {}
        for at, slot in slots.items():
            event = told("ShowtimeCreated", slot.showtime_id, 1, states[at], self._clock)
            documents[at] = document_of(states[at], slot.claim, rest[at].ref, event)
        await insert(self._showtimes, documents, states, outcomes, self._own_or_abandoned)
        return [outcomes[at] for at in range(len(wanted))]

    async def _parents(self, plans: Mapping[int, ShowtimePlan]) -> tuple[dict[str, StoredEvent], dict[str, Venue]]:
        events = await self._events.find_each([plan.event_id for plan in plans.values()])
        return events, await self._venues.find_each([plan.draft.venue_id for plan in plans.values()])

    def _state(
        self,
        item: Wanted[ShowtimePlan],
        events: Mapping[str, StoredEvent],
        venues: Mapping[str, Venue],
        halls: Mapping[str, Hall],
    ) -> ShowtimeState:
        draft = item.draft.draft
        event, venue, hall = events.get(item.draft.event_id), venues.get(draft.venue_id), halls.get(draft.hall_id)
        if event is None:
            raise NotFound("There is no such event")
        if venue is None:
            raise NotFound("There is no such venue")
        if hall is None or hall.state.venue_id != draft.venue_id:
            raise NotFound("There is no such hall in this venue")
        return scheduled(item.id, draft, event=event.state, venue=venue.state, hall=hall, now=self._clock.now())

    async def _claim(self, states: Mapping[int, ShowtimeState], outcomes: Outcomes[ShowtimeState]) -> dict[int, Slot]:
        """The slots that were got; refusals are noted as outcomes."""
        slots = {at: slot_of(state, self._clock.now()) for at, state in states.items()}
        by_hall: defaultdict[str, list[Slot]] = defaultdict(list)
        for at, slot in slots.items():
            by_hall[states[at].hall_id].append(slot)
        refusals = await self._slots.claim(by_hall)
        for at, slot in slots.items():
            if slot.claim in refusals:
                outcomes[at] = refusals[slot.claim]
        return {at: slot for at, slot in slots.items() if slot.claim not in refusals}

    async def _unless_deleted(
        self, plans: Mapping[int, ShowtimePlan], slots: dict[int, Slot], outcomes: Outcomes[ShowtimeState]
    ) -> None:
        """Give up, as if they had never been, showtimes whose event or venue has gone meanwhile."""
        events, venues = await self._parents(plans)
        marks = [event.deleting for event in events.values()] + [venue.deleting for venue in venues.values()]
        if any(marks):
            now = self._clock.now()
            await self._events.unmark_abandoned(list(events), now)
            await self._venues.unmark_abandoned(list(venues), now)
            events, venues = await self._parents(plans)
        for at, plan in plans.items():
            event, venue = events.get(plan.event_id), venues.get(plan.draft.venue_id)
            if event is None or event.deleting or venue is None or venue.deleting:
                await self._slots.release(plan.draft.hall_id, slots.pop(at).claim)
                outcomes[at] = NotFound("The event or the venue is being deleted")

    async def _own_or_abandoned(self, document: Document) -> HallBusy | None:
        """A showtime of this id is there: our own from an earlier try, or the mark of one who thought us dead."""
        own = await self._showtimes.find(document["_id"])
        await self._slots.release(document["hallId"], document["claim"])
        return None if own else HallBusy("An earlier try of this request was given up; send it anew")

    async def get(self, showtime_id: str) -> Showtime:
        showtime = await self._showtimes.find(showtime_id)
        if showtime is None:
            raise NotFound("There is no such showtime")
        return showtime

    async def change(self, showtime_id: str, patch: dict[str, Any], precondition: Precondition) -> Showtime:
        """Apply a merge patch to start, pricing, promotions or sales. Raises NotFound, PreconditionFailed, Invalid,
        ShowtimeOver, HallBusy.
        """
        for _ in range(ATTEMPTS):
            present = await self.get(showtime_id)
            precondition(present.version)
            state = await self._state_of(present)
            if present.status != "scheduled" or state.starts_at <= self._clock.now():
                raise ShowtimeOver
            new = await self._changed(present, state, patch)
            if new == state:
                return present
            if moved := await self._store(present, new.model_copy(update={"version": present.version + 1})):
                return moved
        raise ChangedMeanwhile

    async def _changed(self, present: Showtime, state: ShowtimeState, patch: dict[str, Any]) -> ShowtimeState:
        given = draft_fields(state)
        if faults := [
            (f"/{name}", "Can't be changed") for name in FIXED if patch.get(name, given[name]) != given[name]
        ]:
            raise refuse(faults)
        if "timestamp" in patch:
            given.pop("startsAt")
        given.pop("eventId")
        draft = parse(ShowtimeDraft, merge(given, {name: value for name, value in patch.items() if name != "eventId"}))
        update: dict[str, Any] = {"promotions": promotions(draft), "single_seat_rule": draft.single_seat_rule}
        ends = state.ends_at
        if draft.start != state.starts_at:
            check_start(draft, self._clock.now())
            ends = ends_at(draft.start, state.event)
            update |= {"starts_at": draft.start, "ends_at": ends}
        update["on_sale"] = sales(draft.on_sale, draft.start, ends)
        if "pricing" in patch:
            # Of the layout that was sold, which need not be the hall's newest.
            sold = await self._halls.layout(present.venue_id, present.hall_id, present.layout_version)
            types = await self._layouts.types_by_section(sold.digest if sold else "")
            update["pricing"] = priced(draft.pricing, types)
        return state.model_copy(update=update)

    async def _store(self, present: Showtime, new: ShowtimeState) -> Showtime | None:
        """Store the next version, with a new slot when the time differs; None when others were faster."""
        claim = present.claim
        if (new.starts_at, new.ends_at) != (present.starts_at, present.ends_at):
            slot = slot_of(new, self._clock.now())
            refusals = await self._slots.claim({present.hall_id: [slot]})
            if refusals:
                raise refusals[slot.claim]
            claim = slot.claim
        moved = from_state(new, claim, present.fence)
        event = told("ShowtimeUpdated", present.id, new.version, new, self._clock)
        stored = await self._showtimes.move(present, moved, event)
        if claim != present.claim:
            await self._slots.release(present.hall_id, present.claim if stored else claim)
        return moved if stored else None

    async def cancel(self, showtime_id: str, precondition: Precondition) -> Showtime:
        """Cancel; again is harmless. Raises NotFound, PreconditionFailed, ShowtimeOver."""
        for _ in range(ATTEMPTS):
            present = await self.get(showtime_id)
            if present.status == "cancelled":
                return present
            precondition(present.version)
            if present.ends_at <= self._clock.now():
                raise ShowtimeOver
            state = await self._state_of(present)
            state = state.model_copy(update={"version": present.version + 1, "status": "cancelled"})
            event = told("ShowtimeCancelled", present.id, state.version, state, self._clock)
            cancelled = from_state(state, present.claim, present.fence)
            if await self._showtimes.move(present, cancelled, event):
                await self._slots.release(present.hall_id, present.claim)
                return cancelled
        raise ChangedMeanwhile

    async def follow_map(self, moved: SeatMapLayout) -> None:
        """Take over the layout that the showtime's seat map was moved to.

        Whatever order the news come in, the newest version of the map counts. A showtime that was cancelled or never
        was is left as it is. Raises ChangedMeanwhile.
        """
        for _ in range(ATTEMPTS):
            present = await self._showtimes.find(moved.showtime_id)
            if present is None or present.status != "scheduled" or present.map_version >= moved.version:
                return
            new = replace(
                present,
                version=present.version + 1,
                layout_version=moved.layout_version,
                seat_count=moved.seat_count,
                map_version=moved.version,
            )
            event = told("ShowtimeUpdated", new.id, new.version, await self._state_of(new), self._clock)
            if await self._showtimes.follow_map(present, new, event):
                return
        raise ChangedMeanwhile

    async def _state_of(self, showtime: Showtime) -> ShowtimeState:
        """With its event and venue as they are now, deleted ones included."""
        event = await self._events.find(showtime.event_id, deleted=True)
        venue = await self._venues.find(showtime.venue_id, deleted=True)
        if event is None or venue is None:
            raise LookupError(f"the event or venue of showtime {showtime.id} is not there")
        return showtime.state(event, venue.state)

    async def page(
        self, position: Sequence[Any] | None, limit: int, wanted: Filter
    ) -> tuple[list[Showtime], str | None]:
        """Scheduled showtimes by time: those to come, or those of the given days."""
        if wanted.event_id is not None and await self._events.find(wanted.event_id) is None:
            raise NotFound("There is no such event")
        venue_ids = None if wanted.venue_id is None else [wanted.venue_id]
        if wanted.city is not None:
            in_city = await self._venues.ids_in_city(wanted.city)
            venue_ids = in_city if venue_ids is None else [one for one in venue_ids if one in in_city]
        since, until = self._span(wanted)
        batch = BATCH if wanted.first or wanted.last else limit + 1
        found: list[Showtime] = []
        while True:
            rows = await self._showtimes.page(
                position,
                batch,
                since=since,
                until=until,
                event_id=wanted.event_id,
                venue_ids=venue_ids,
                hall_id=wanted.hall_id,
            )
            found += await self._on_days(rows, wanted)
            if len(found) > limit:
                last = found[limit - 1]
                return found[:limit], encode_cursor([round(last.starts_at.timestamp() * 1_000), last.id])
            if len(rows) < batch:
                return found, None
            position = [rows[-1].starts_at, rows[-1].id]

    def _span(self, wanted: Filter) -> tuple[datetime, datetime | None]:
        """Moments that certainly hold the wanted days, wherever the venues are."""
        since = _midnight(wanted.first) - EAST if wanted.first else self._clock.now()
        until = _midnight(wanted.last) + timedelta(days=1) + WEST if wanted.last else None
        return since, until

    async def _on_days(self, showtimes: list[Showtime], wanted: Filter) -> list[Showtime]:
        if wanted.first is None and wanted.last is None:
            return showtimes
        zones = await self._venues.zones(list({showtime.venue_id for showtime in showtimes}))
        days = [showtime.starts_at.astimezone(ZoneInfo(zones[showtime.venue_id])).date() for showtime in showtimes]
        return [
            showtime
            for showtime, day in zip(showtimes, days, strict=True)
            if (wanted.first or day) <= day <= (wanted.last or day)
        ]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
