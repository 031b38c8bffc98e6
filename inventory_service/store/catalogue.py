"""What inventory keeps of the catalogue: showtimes and refund policies as events told them, layouts as fetched once.

They are the service's own copies, so that holding and ticketing go on while the venues service is away.
"""

import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from pydantic_core import from_json, to_json
from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from inventory_service.domain.layout import Layout, LayoutKey
from messaging.events import RefundPolicy, ShowtimeState, VenueState
from service_kit.mongo import Document, only_known_already
from service_kit.tasks import OnceAtATime

FetchLayout = Callable[[str, LayoutKey], Awaitable[Document]]
# Seats over all layouts kept parsed in memory; about 150 bytes each.
CACHED_SEATS = 2_000_000
CACHED_SHOWTIMES = 20_000
# How long a process may go on selling under a policy that was changed.
POLICY_SECONDS = 2.0
# A document holds at most 16 MB; a layout of 100,000 seats compresses to less than a tenth of that, even in haste.
COMPRESSION = 1


class Showtimes:
    """`{_id: showtimeId, version, state}`: the newest state heard of."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._collection = database["showtimes"]
        self._cache: OrderedDict[str, ShowtimeState] = OrderedDict()
        self._loading = OnceAtATime[str, ShowtimeState | None]()

    async def keep(self, showtimes: Iterable[ShowtimeState]) -> None:
        """Keep each state that is newer than what is there."""
        changes = [
            UpdateOne(
                {"_id": showtime.showtime_id, "version": {"$lt": showtime.version}},
                {"$set": {"version": showtime.version, "state": showtime.model_dump(mode="json", by_alias=True)}},
                upsert=True,
            )
            for showtime in showtimes
        ]
        if not changes:
            return
        try:
            await self._collection.bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            # An upsert whose condition failed because a newer version is there: nothing to keep.
            if not only_known_already(error):
                raise

    async def get(self, showtime_id: str, at_least: int = 0) -> ShowtimeState | None:
        """The state, of version `at_least` or newer where such was heard of; cached, hence that number."""
        known = self._cache.get(showtime_id)
        if known and known.version >= at_least:
            self._cache.move_to_end(showtime_id)
            return known
        # A crowd that comes when sales begin asks for the same showtime: it is read once. Not so where a version is
        # asked for, since a reading under way may be older.
        if at_least:
            return await self._load(showtime_id)
        return await self._loading.get(showtime_id, self._load)

    async def _load(self, showtime_id: str) -> ShowtimeState | None:
        document = await self._collection.find_one({"_id": showtime_id})
        if document is None:
            return None
        state = ShowtimeState.model_validate(document["state"])
        self._cache[showtime_id] = state
        while len(self._cache) > CACHED_SHOWTIMES:
            self._cache.popitem(last=False)
        return state


class RefundPolicies:
    """`{_id: venueId, version, policy}`: those of the venues as their newest events told them."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._collection = database["refund_policies"]
        self._cache: OrderedDict[str, tuple[float, Document | None]] = OrderedDict()
        self._loading = OnceAtATime[str, Document | None]()

    async def keep(self, venues: Iterable[VenueState]) -> None:
        """Keep each policy of a venue that is newer than what is there."""
        changes = [
            UpdateOne(
                {"_id": venue.venue_id, "version": {"$lt": venue.version}},
                {"$set": {"version": venue.version, "policy": venue.refund_policy.model_dump()}},
                upsert=True,
            )
            for venue in venues
        ]
        try:
            await self._collection.bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            if not only_known_already(error):
                raise

    async def of(self, venue: VenueState) -> RefundPolicy:
        """The venue's policy, at most `POLICY_SECONDS` old; `venue` is it as far as a showtime knows it."""
        known = self._cache.get(venue.venue_id)
        if known is None or known[0] < time.monotonic():
            found = await self._loading.get(venue.venue_id, self._load)
        else:
            found = known[1]
        if found is None or found["version"] < venue.version:
            return venue.refund_policy
        return RefundPolicy(**found["policy"])

    def forget(self) -> None:
        """Ask anew, whatever is remembered."""
        self._cache.clear()

    async def _load(self, venue_id: str) -> Document | None:
        found = await self._collection.find_one({"_id": venue_id})
        self._cache[venue_id] = (time.monotonic() + POLICY_SECONDS, found)
        while len(self._cache) > CACHED_SHOWTIMES:
            self._cache.popitem(last=False)
        return found


class Layouts:
    """`{_id: "hallId:version", layout: zlib(JSON)}`, and an in-memory cache of the parsed ones."""

    def __init__(self, database: AsyncDatabase[Document], fetch: FetchLayout) -> None:
        self._collection = database["layouts"]
        self._fetch = fetch
        self._cache: OrderedDict[LayoutKey, Layout] = OrderedDict()
        self._loading = OnceAtATime[LayoutKey, Layout]()
        self._seats = 0

    async def get(self, venue_id: str, key: LayoutKey) -> Layout:
        """The layout: from memory, from the own copy, or from the venues service (which may raise Unavailable)."""
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        # A batch of showtimes asks for the same few layouts many times over: each is loaded once.
        return await self._loading.get(key, partial(self._parse, venue_id))

    def remember(self, key: LayoutKey, layout: Document) -> Layout:
        """Take a layout that is known already."""
        known = Layout.from_json(key, layout)
        self._remember(known)
        return known

    async def _parse(self, venue_id: str, key: LayoutKey) -> Layout:
        return self.remember(key, await self._load(venue_id, key))

    async def _load(self, venue_id: str, key: LayoutKey) -> Document:
        own_id = f"{key.hall_id}:{key.version}"
        document = await self._collection.find_one({"_id": own_id})
        if document:
            kept: Document = from_json(zlib.decompress(document["layout"]))
            return kept
        fetched = await self._fetch(venue_id, key)
        packed = zlib.compress(to_json(fetched), COMPRESSION)
        await self._collection.update_one({"_id": own_id}, {"$setOnInsert": {"layout": packed}}, upsert=True)
        return fetched

    def _remember(self, layout: Layout) -> None:
        if layout.key in self._cache:
            return
        self._cache[layout.key] = layout
        self._seats += len(layout.seats)
        while self._seats > CACHED_SEATS and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._seats -= len(oldest.seats)
