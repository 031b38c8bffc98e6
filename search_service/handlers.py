"""One function per use case: find shows, suggest, look up places, fill the map."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from search_service import answer, query, tiles, words
from search_service.cursor import Cursor, CursorSigner
from search_service.domain import Box, Point, Search, check_centre
from search_service.entry_store import EntryStore
from search_service.facets import facet_counts
from search_service.near_misses import relaxed
from search_service.store import ShowStore
from search_service.understanding import Reading, understand
from search_service.words import MATCHES, Match
from service_kit.clock import Clock
from service_kit.gazetteer import Gazetteer, Place

Answer = dict[str, Any]
# Elasticsearch gives no hits beyond this when they are skipped by number.
DEEPEST_GROUP = 10_000
SUGGESTED_PLACES = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What belongs to a request beside its search. `position` is where the page before ended."""

    facets: list[str]
    limit: int
    now: datetime
    position: Cursor | None

    @property
    def at(self) -> datetime:
        """The moment of the first page."""
        return self.position.now if self.position else self.now


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what a reading of a search finds, how strictly its words matched, and what is near if nothing is."""

    reading: Reading
    match: Match
    hits: list[Answer]
    more: bool
    found: Answer
    counts: list[Answer]
    groups: Answer | None
    snapshot: str
    near_misses: list[Answer] = field(default_factory=list)


class SearchHandlers:
    def __init__(
        self, store: ShowStore, entries: EntryStore, gazetteer: Gazetteer, signer: CursorSigner, clock: Clock
    ) -> None:
        self._store = store
        self._entries = entries
        self._gazetteer = gazetteer
        self._signer = signer
        self._clock = clock

    async def shows(
        self, search: Search, *, place: Place | None, facets: list[str], cursor: str | None, limit: int
    ) -> Answer:
        """A page of shows. Raises BadCursor, or Unavailable."""
        position = self._signer.read(cursor, search.fingerprint) if cursor else None
        asked = Asked(facets, limit, self._clock.now(), position)
        page = await (self._next_page(search, asked) if position else self._first_page(search, asked))
        understood = page.reading.search
        items = answer.show_items(understood, page.hits, page.groups, asked.now)
        return {
            "items": items,
            "total": answer.total(understood, page.found),
            "facets": facet_counts(page.counts, facets),
            "didYouMean": await self._did_you_mean(understood.text, page) if page.match != "all" else None,
            "interpretedAs": answer.interpreted(search, page.reading, page.match if items else None, place),
            "nearMisses": page.near_misses,
            "nextCursor": self._following(search, page, asked),
        }

    async def _did_you_mean(self, text: str, page: Page) -> str | None:
        """A name that was found by similar words, else the words with those corrected that nothing has."""
        if found := answer.did_you_mean(text, page.hits):
            return found
        body = query.correction_body(text)
        corrected = answer.corrected(*await self._store.search(body)) if body else None
        if corrected is None:
            return None
        named = await self._entries.search(query.name_body(corrected))
        return answer.name_like(corrected, named["hits"]["hits"]) or corrected

    async def first(self, search: Search, limit: int) -> list[Answer]:
        """The first shows of a search, and nothing about them. Raises Unavailable."""
        asked = Asked([], limit, self._clock.now(), None)
        page = await self._first_page(search, asked)
        return answer.show_items(page.reading.search, page.hits, None, asked.now)

    async def _first_page(self, search: Search, asked: Asked) -> Page:
        """By what the words may mean, unless something is called so, or words alone find what their meaning doesn't."""
        reading = understand(search, self._gazetteer, asked.at.date())
        check_centre(reading.search)
        literally = Reading(search)
        if not reading.parts:
            return await self._or_near(await self._page(literally, asked), asked)
        if search.point is None and (search.distanced or search.sort == "distance"):
            # The words alone would say no place to start from.
            return await self._or_near(await self._page(reading, asked), asked)
        called, page = await asyncio.gather(
            self._is_called(search.text, whole=not reading.search.text), self._page(reading, asked)
        )
        if page.hits and page.match != "some" and not called:
            return page
        plain = await self._page(literally, asked)
        if page.hits or called or (plain.match == "all" and await self._is_more_than_a_place(search.text, reading)):
            return plain if plain.hits else await self._or_near(page, asked)
        # Rather what there would be another day, or further away, than shows that have something like the words.
        near = await self._or_near(page, asked)
        return plain if plain.hits and not near.near_misses else near

    async def _or_near(self, page: Page, asked: Asked) -> Page:
        return page if page.hits else replace(page, near_misses=await self._near_misses(page.reading, asked))

    async def _next_page(self, search: Search, asked: Asked) -> Page:
        understood = asked.position is not None and asked.position.understood
        reading = understand(search, self._gazetteer, asked.at.date()) if understood else Reading(search)
        check_centre(reading.search)
        return await self._page(reading, asked)

    async def _is_called(self, text: str, *, whole: bool) -> bool:
        """Whether a show is called so. What is a place or a day as a `whole` must be all of a name to count as one."""
        return await self._exists(words.named(text) if whole else words.in_one_name(text))

    async def _exists(self, condition: Answer) -> bool:
        [found] = await self._store.search(query.exists_body(condition, self._clock.now()))
        return bool(found["hits"]["total"]["value"])

    async def _is_more_than_a_place(self, text: str, reading: Reading) -> bool:
        """Nobody who asks for Roma, where nothing is on, asks for romances; but a person may be called like a city."""
        if reading.search.text or any(part.kind == "category" for part in reading.parts):
            return True
        return await self._exists(words.said_whole(text))

    async def _page(self, reading: Reading, asked: Asked) -> Page:
        """Looser matches are only looked for where there is no stricter one."""
        search, position = reading.search, asked.position
        snapshot = (position.snapshot if position else None) or await self._store.snapshot()
        loosening = MATCHES if search.text else MATCHES[:1]
        for match in (position.match,) if position else loosening:
            body = self._body(search, asked, match)
            beyond = query.counts_body(search, asked.facets, now=asked.now, asked_at=asked.at, match=match)
            counts = await self._store.search(body, *([beyond] if beyond else []), snapshot=snapshot)
            found = counts[0]
            if found["hits"]["hits"]:
                break
        hits = found["hits"]["hits"]
        more, hits = len(hits) > asked.limit, hits[: asked.limit]
        groups = await self._groups(search, hits, asked, match, snapshot) if search.grouped and hits else None
        return Page(reading, match, hits, more, found, counts, groups, snapshot)

    def _body(self, search: Search, asked: Asked, match: Match) -> Answer:
        body = query.shows_body(search, asked.facets, now=asked.now, asked_at=asked.at, match=match)
        body["size"] = asked.limit + 1
        if asked.position:
            if search.grouped:
                body["from"] = seen = asked.position.after[0]
                body["size"] = min(body["size"], DEEPEST_GROUP - seen)
            else:
                body["search_after"] = asked.position.after
        return body

    async def _groups(self, search: Search, hits: list[Answer], asked: Asked, match: Match, snapshot: str) -> Answer:
        ids = [hit["_source"]["view"]["event"]["eventId"] for hit in hits]
        body = query.next_body(search, ids, now=asked.now, asked_at=asked.at, match=match)
        [found] = await self._store.search(body, snapshot=snapshot)
        return {bucket["key"]: bucket["next"]["hits"] for bucket in found["aggregations"]["groups"]["buckets"]}

    def _following(self, search: Search, page: Page, asked: Asked) -> str | None:
        grouped = page.reading.search.grouped
        seen = (asked.position.after[0] if asked.position else 0) + len(page.hits) if grouped else 0
        if not page.more or (grouped and seen + asked.limit >= DEEPEST_GROUP):
            return None
        self._store.hand_out(page.snapshot)
        # In a snapshot Elasticsearch adds a value of its own, which means nothing outside of it.
        after = [seen] if grouped else page.hits[-1]["sort"][: len(query.order(page.reading.search))]
        understood = bool(page.reading.parts)
        return self._signer.write(Cursor(search.fingerprint, asked.at, page.match, after, understood, page.snapshot))

    async def _near_misses(self, reading: Reading, asked: Asked) -> list[Answer]:
        """What there would be with one wish less, counted in one request."""
        ways = list(relaxed(reading, asked.now))
        if not ways:
            return []
        bodies = [query.count_body(way.search, now=asked.now, asked_at=asked.at) for way in ways]
        found = await self._store.search(*bodies)
        return [
            answer.near_miss(way, one, reading.search.point)
            for way, one in zip(ways, found, strict=True)
            if one["hits"]["hits"]
        ]

    async def suggest(self, text: str, point: Point | None, limit: int) -> Answer:
        if not text:
            return {"items": []}
        found = await self._entries.search(query.suggest_body(text, point, limit))
        places = self._gazetteer.starting_with(text, SUGGESTED_PLACES, _near(point))
        return {"items": answer.suggestions(text, found["hits"]["hits"], places)[:limit]}

    def places(self, text: str, point: Point | None, limit: int) -> Answer:
        """Cities of that name, then those whose name begins so."""
        near = _near(point)
        found = [*self._gazetteer.lookup(text, near=near), *self._gazetteer.starting_with(text, limit, near)]
        once = {place.geonameid: place for place in found}
        return {"items": [answer.place_item(place) for place in list(once.values())[:limit]]}

    async def map(self, box: Box, zoom: int) -> Answer:
        now = self._clock.now()
        found = await self._aggregated(tiles.clusters_body(box, zoom, now))
        if tiles.shown_one_by_one(found["venues"]["value"], zoom):
            found = await self._aggregated(tiles.venues_body(box, now))
            return {"type": "FeatureCollection", "features": tiles.venue_features(found)}
        return {"type": "FeatureCollection", "features": tiles.cluster_features(found)}

    async def _aggregated(self, body: Answer) -> Answer:
        [found] = await self._store.search(body)
        counted: Answer = found["aggregations"]
        return counted


def _near(point: Point | None) -> tuple[float, float] | None:
    return (point.lat, point.lon) if point else None
