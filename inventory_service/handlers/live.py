"""Seat maps as they change, for everybody who watches.

Seats are held by other processes too, so what is told comes from the database: one question a round for the versions of
all watched maps, one more for those that have moved.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from weakref import WeakValueDictionary

from inventory_service.handlers.channel import THE_END, Channel, Encode, Stream
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.places import Places
from inventory_service.handlers.read import view_of
from service_kit.logs import get_logger
from service_kit.tasks import background, every

log = get_logger(__name__)
ROUND_SECONDS = 0.25
# A channel that nobody watches goes on for so long, for those who were cut off and come back.
LINGER_SECONDS = 30.0
# Writing to 1,000 streams takes some 30 ms; a few at a time, so that no hold has to wait for all of them.
WOKEN_AT_ONCE = 20
PAUSE_SECONDS = 0.002


class Live:
    """The channels of one process, and who watches them."""

    def __init__(self, inventory: Inventory, places: Places, encode: Encode) -> None:
        self._inventory = inventory
        self._places = places
        self._encode = encode
        self._channels: dict[str, Channel] = {}
        self._opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stopping = False

    @asynccontextmanager
    async def watching(self, showtime_id: str, address: str, last_seen: str | None) -> AsyncIterator[Stream | None]:
        """A stream of this showtime; None for who saw its end already (`last_seen` is the id of his last event).

        Raises NotFound, NotOpenYet, TooManyStreams, TooManyRequests.
        """
        with self._places.take(address):
            channel = await self._channel(showtime_id)
            if channel.over and last_seen == THE_END:
                yield None
                return
            stream = Stream(channel, last_seen)
            stream.ended = self._stopping
            channel.streams.add(stream)
            try:
                yield stream
            finally:
                channel.streams.discard(stream)
                channel.left_at = time.monotonic()

    def stop(self) -> None:
        """End all streams now, and those that are still being opened."""
        self._stopping = True
        for channel in self._channels.values():
            for stream in channel.streams:
                stream.end()

    async def round(self) -> None:
        """Tell what has changed since the last round."""
        left_before = time.monotonic() - LINGER_SECONDS
        self._channels = {
            id_: channel for id_, channel in self._channels.items() if channel.streams or channel.left_at > left_before
        }
        if not self._channels:
            return
        told = await self._advance()
        now = self._inventory.now()
        for showtime_id, channel in list(self._channels.items()):
            if channel.close(now):
                del self._channels[showtime_id]
                told.append(channel)
        for number, stream in enumerate([stream for channel in told for stream in channel.streams], 1):
            stream.wake()
            if number % WOKEN_AT_ONCE == 0:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _advance(self) -> list[Channel]:
        """The channels whose maps have moved, moved along."""
        seat_maps, channels = self._inventory.seat_maps, self._channels
        versions = await seat_maps.versions(list(channels))
        moved = [showtime_id for showtime_id, version in versions.items() if version > channels[showtime_id].version]
        advanced = []
        for outline in await seat_maps.outlines(moved) if moved else []:
            channel = channels[outline.showtime_id]
            try:
                channel.advance(await view_of(self._inventory, outline))
            except Exception:
                # One map that can't be told must not keep the others from it: who watches it comes again.
                log.exception("live_channel_failed", showtime_id=outline.showtime_id)
                del channels[outline.showtime_id]
                for stream in channel.streams:
                    stream.end()
            else:
                advanced.append(channel)
        return advanced

    async def _channel(self, showtime_id: str) -> Channel:
        """The channel, opened by the first who wants it. Raises NotFound, NotOpenYet."""
        async with self._opening.setdefault(showtime_id, asyncio.Lock()):
            known = self._channels.get(showtime_id)
            if known:
                return known
            outlines = await self._inventory.seat_maps.outlines([showtime_id])
            if outlines:
                channel = Channel(await view_of(self._inventory, outlines[0]), self._encode)
                if not channel.close(self._inventory.now()):
                    self._channels[showtime_id] = channel
                return channel
        # Says why there is none, or returns when there is one at last.
        await self._inventory.seat_map(showtime_id)
        return await self._channel(showtime_id)


@asynccontextmanager
async def open_live(inventory: Inventory, places: Places, encode: Encode) -> AsyncIterator[Live]:
    """Live seat maps, kept up to date while entered."""
    live = Live(inventory, places, encode)
    async with background("live", partial(every, ROUND_SECONDS, live.round)):
        try:
            yield live
        finally:
            live.stop()
