"""Use cases of venues."""

import asyncio
from collections.abc import Sequence
from typing import Any

from messaging.events import VenueState
from service_kit.clock import Clock
from service_kit.errors import DomainError, Invalid, NotFound
from service_kit.ids import new_id
from service_kit.models import Location
from service_kit.mongo import Document
from venues_service.clients import Partners
from venues_service.domain.drafts import ChangedMeanwhile, Wanted, merge, parse, refuse
from venues_service.domain.venues import (
    LOCATING,
    VenueDraft,
    VenueInUse,
    VenueNameTaken,
    draft_fields,
    name_key,
    stated_country,
    theatre_of,
    venue_state,
    zone_at,
)
from venues_service.geocoding import Geocoding
from venues_service.handlers.common import ATTEMPTS, Outcome, Outcomes, Precondition, insert, part_by_ref, told
from venues_service.handlers.halls import HallHandlers
from venues_service.handlers.slots import Slots
from venues_service.store.halls import Halls
from venues_service.store.venues import Venues, document_of, fields_of


class VenueHandlers:
    def __init__(
        self,
        *,
        venues: Venues,
        halls: Halls,
        hall_handlers: HallHandlers,
        slots: Slots,
        geocoding: Geocoding,
        partners: Partners,
        clock: Clock,
    ) -> None:
        self._venues = venues
        self._halls = halls
        self._hall_handlers = hall_handlers
        self._slots = slots
        self._geocoding = geocoding
        self._partners = partners
        self._clock = clock

    async def create(self, wanted: Sequence[Wanted[VenueDraft]]) -> list[Outcome[VenueState]]:
        """Create venues, each on its own; an Invalid or VenueNameTaken stands for one that can't be.

        Raises Unavailable where one names a theatre and the partners can't be asked.
        """
        outcomes: Outcomes[VenueState] = {}
        rest = await part_by_ref(self._venues, wanted, outcomes)
        completed = await asyncio.to_thread(
            lambda: {at: self._completed(item.id, 1, item.draft) for at, item in rest.items()}
        )
        named = (theatre_of(item.draft.partner) for item in rest.values())
        missing = await self._partners.missing(theatre for theatre in named if theatre)
        states, documents = {}, {}
        for at, state in completed.items():
            if theatre_of(rest[at].draft.partner) in missing:
                outcomes[at] = _no_theatre()
                continue
            if isinstance(state, DomainError):
                outcomes[at] = state
                continue
            event = told("VenueCreated", state.venue_id, 1, state, self._clock)
            states[at] = state
            documents[at] = document_of(state, rest[at].draft.derived(), rest[at].ref, event)
        await insert(self._venues, documents, states, outcomes, self._name_clash)
        return [outcomes[at] for at in range(len(wanted))]

    async def _name_clash(self, document: Document) -> VenueNameTaken | None:
        holder = await self._venues.id_by_name(document["nameKey"])
        return None if holder == document["_id"] else VenueNameTaken(venue_id=holder)

    def _completed(self, venue_id: str, version: int, draft: VenueDraft) -> VenueState | DomainError:
        """The venue with what its admin left to us: the country, the place, the time zone. Blocking."""
        try:
            country = stated_country(draft)
            location = draft.location
            if location is None:
                found = self._geocoding.locate(draft, country)
                if found is None:
                    raise refuse([("/location", "No place is known for this address; give its location")])
                location = Location(lat=found.lat, lon=found.lon)
                country = country or found.country
            country = country or self._geocoding.country_at(draft, location)
            if country is None:
                raise refuse([("/country", "Give the country; it can't be told from the address or the location")])
            timezone = draft.timezone or zone_at(location)
        except DomainError as error:
            return error
        return venue_state(venue_id, version, draft, country=country, timezone=timezone, location=location)

    async def get(self, venue_id: str) -> VenueState:
        venue = await self._venues.find(venue_id)
        if venue is None:
            raise NotFound("There is no such venue")
        return venue.state

    async def page(
        self,
        position: Sequence[Any] | None,
        limit: int,
        *,
        city: str | None,
        text: str | None,
        point: tuple[float, float] | None,
        metres: float,
        theatre: str | None,
    ) -> tuple[list[VenueState], str | None]:
        """`theatre`: only the venues that name this partner."""
        if point is None:
            return await self._venues.page(position, limit, city=city, text=text, theatre=theatre)
        return await self._venues.page_near(
            position, limit, city=city, text=text, theatre=theatre, point=point, metres=metres
        )

    async def change(self, venue_id: str, patch: dict[str, Any], precondition: Precondition) -> VenueState:
        """Apply a merge patch. Raises NotFound, PreconditionFailed, Invalid, VenueNameTaken, Unavailable."""
        for _ in range(ATTEMPTS):
            venue = await self._venues.find(venue_id)
            if venue is None:
                raise NotFound("There is no such venue")
            precondition(venue.state.version)
            # What we filled in ourselves is found anew when what it followed from changes.
            moved = bool(patch.keys() & LOCATING)
            anew = [name for name in venue.derived if moved and name not in patch]
            given = draft_fields(venue.state, without=anew)
            draft = parse(VenueDraft, merge(given, patch))
            version = venue.state.version + 1
            state = await asyncio.to_thread(self._completed, venue_id, version, draft)
            if isinstance(state, DomainError):
                raise state
            derived = draft.derived() if moved else venue.derived
            if state.model_copy(update={"version": venue.state.version}) == venue.state and derived == venue.derived:
                return venue.state
            theatre = theatre_of(state.partner)
            # One that is named already may be gone since: that must not keep the venue from being changed.
            if theatre and theatre != theatre_of(venue.state.partner) and await self._partners.missing([theatre]):
                raise _no_theatre()
            key = name_key(state.name, state.city, state.country)
            event = told("VenueUpdated", venue_id, version, state, self._clock)
            if await self._venues.change(venue_id, venue.state.version, fields_of(state, derived), event):
                return state
            holder = await self._venues.id_by_name(key)
            if holder not in (None, venue_id):
                raise VenueNameTaken(venue_id=holder)
        raise ChangedMeanwhile

    async def delete(self, venue_id: str, precondition: Precondition) -> None:
        """Delete a venue and its halls. Raises NotFound, PreconditionFailed, VenueInUse.

        The mark comes first and the look at the slots second, while a new showtime claims its slot first and looks for
        the mark second: of two at once at least one sees the other.
        """
        venue = await self._venues.find(venue_id)
        if venue is None:
            raise NotFound("There is no such venue")
        precondition(venue.state.version)
        token = new_id()
        if not await self._venues.begin_deletion(venue_id, venue.state.version, token, self._clock.now()):
            raise ChangedMeanwhile
        halls = await self._halls.of_venue(venue_id)
        if await self._slots.any_upcoming(halls) or not await self._hall_handlers.delete_unused(halls):
            await self._venues.give_up_deletion(venue_id, token)
            raise VenueInUse
        state = venue.state.model_copy(update={"version": venue.state.version + 1})
        event = told("VenueDeleted", venue_id, state.version, state, self._clock)
        if not await self._venues.finish_deletion(venue_id, token, event):
            raise ChangedMeanwhile


def _no_theatre() -> Invalid:
    return refuse([("/partner/id", "There is no such partner")])
