"""Use cases of halls in files: reading one before anything is stored, and handing one out."""

import asyncio

from service_kit.errors import NotFound
from venues_service.domain.hall_files import Download, FoundHall, HallFile, file_of, found_in
from venues_service.domain.plans import PlanFormat
from venues_service.handlers.halls import HallHandlers
from venues_service.store.halls import Halls
from venues_service.store.layouts import Layouts
from venues_service.store.venues import Venues


class HallFileHandlers:
    """What is found in a file becomes a hall, or a layout version, by the use cases of halls."""

    def __init__(self, *, venues: Venues, halls: Halls, layouts: Layouts, hall_handlers: HallHandlers) -> None:
        self._venues = venues
        self._halls = halls
        self._layouts = layouts
        self._hall_handlers = hall_handlers

    async def read_new(self, venue_id: str, file: HallFile) -> FoundHall:
        """The hall in a file for this venue. Raises NotFound, Invalid."""
        if await self._venues.find(venue_id) is None:
            raise NotFound("There is no such venue")
        return await asyncio.to_thread(found_in, file)

    async def read_next(self, venue_id: str, hall_id: str, file: HallFile) -> FoundHall:
        """The next layout of a hall, from a file. Raises NotFound, Invalid."""
        await self._hall_handlers.get(venue_id, hall_id)
        return await asyncio.to_thread(found_in, file)

    async def export(self, venue_id: str, hall_id: str, plan_format: PlanFormat, version: int | None) -> Download:
        """The file of a layout version, else of the newest. Raises NotFound, HasGeneralAdmission, NotGridLike."""
        hall = (await self._hall_handlers.get(venue_id, hall_id)).state
        number = version or hall.layout_version
        stored = await self._halls.layout(venue_id, hall_id, number)
        if stored is None:
            raise NotFound("There is no such layout version")
        layout = await self._layouts.text(stored.digest)
        extras = await self._layouts.extras(stored.extras_digest) if stored.extras_digest else b""
        return await asyncio.to_thread(file_of, plan_format, hall.name, number, layout, extras)
