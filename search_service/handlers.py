"""One function per use case: find shows, suggest, look up places, fill the map."""

from typing import Any

from search_service import answer, query, tiles
from search_service.cursor import Cursor, CursorSigner
from search_service.domain import Box, Point, Search
from search_service.store import ShowStore
from search_service.words import MATCHES, Match, match_of
from service_kit.clock import Clock
from service_kit.gazetteer import Gazetteer, Place

Answer = dict[str, Any]
# Elasticsearch gives no hits beyond this when they are skipped by number.
DEEPEST_GROUP = 10_000
SUGGESTED_PLACES = 3


class SearchHandlers:
    def __init__(self, store: ShowStore, gazetteer: Gazetteer, signer: CursorSigner, clock: Clock) -> None:
        self._store = store
        self._gazetteer = gazetteer
        self._signer = signer
        self._clock = clock

    async def shows(
        self, search: Search, *, place: Place | None, facets: list[str], cursor: str | None, limit: int
    ) -> Answer:
        """A page of shows. Raises BadCursor, or Unavailable."""
        now = self._clock.now()
        position = self._signer.read(cursor, search.fingerprint) if cursor else None
        scored_at = position.now if position else now
        match, found = await self._matching(search, position, facets, limit)
        hits = found["hits"]["hits"]
        more, hits = len(hits) > limit, hits[:limit]
        if search.text and search.sort == "relevance" and hits and position is None:
            match = match_of(hits[0]["_score"])
        seen = (position.after[0] if position else 0) + len(hits) if search.grouped else 0
        following = None
        if more and (not search.grouped or seen + limit < DEEPEST_GROUP):
            after = [seen] if search.grouped else hits[-1]["sort"]
            following = self._signer.write(Cursor(search.fingerprint, scored_at, match, after))
        return {
            "items": [answer.show_item(search, hit) for hit in hits],
            "total": answer.total(search, found),
            "facets": answer.facets(found, facets),
            "didYouMean": answer.did_you_mean(search.text, hits) if search.text and match != "all" else None,
            "interpretedAs": _interpreted(search, match if hits else None, place),
            "nextCursor": following,
        }

    async def _matching(
        self, search: Search, position: Cursor | None, facets: list[str], limit: int
    ) -> tuple[Match, Answer]:
        """Ordered by relevance, stricter matches come first by themselves. In any other order looser ones would be
        strewn among them, so these are only looked for where there is no stricter one."""
        now = self._clock.now()
        loosening = MATCHES if search.text and search.sort != "relevance" and position is None else MATCHES[:1]
        for match in (position.match,) if position else loosening:
            scored_at = position.now if position else now
            body = query.shows_body(search, now=now, scored_at=scored_at, match=match, facets=facets)
            body["size"] = limit + 1
            if position and search.grouped:
                body["from"] = position.after[0]
            elif position:
                body["search_after"] = position.after
            found = await self._store.search(body)
            if found["hits"]["hits"]:
                break
        return match, found

    async def suggest(self, text: str, point: Point | None, limit: int) -> Answer:
        if not text:
            return {"items": []}
        bodies = query.suggest_bodies(text, point, now=self._clock.now(), size=limit)
        events, venues = (found["hits"]["hits"] for found in await self._store.search_all(bodies))
        places = self._gazetteer.starting_with(text, SUGGESTED_PLACES, _near(point))
        return {"items": answer.suggestions(text, events, venues, places)[:limit]}

    def places(self, text: str, point: Point | None, limit: int) -> Answer:
        """Cities of that name, then those whose name begins so."""
        near = _near(point)
        found = [*self._gazetteer.lookup(text, near=near), *self._gazetteer.starting_with(text, limit, near)]
        once = {place.geonameid: place for place in found}
        return {"items": [answer.place_item(place) for place in list(once.values())[:limit]]}

    async def map(self, box: Box, zoom: int) -> Answer:
        now = self._clock.now()
        found = (await self._store.search(tiles.clusters_body(box, zoom, now)))["aggregations"]
        if tiles.shown_one_by_one(found["venues"]["value"], zoom):
            found = (await self._store.search(tiles.venues_body(box, now)))["aggregations"]
            return {"type": "FeatureCollection", "features": tiles.venue_features(found)}
        return {"type": "FeatureCollection", "features": tiles.cluster_features(found)}


def _near(point: Point | None) -> tuple[float, float] | None:
    return (point.lat, point.lon) if point else None


def _interpreted(search: Search, match: Match | None, place: Place | None) -> Answer | None:
    if not search.text and place is None:
        return None
    return {
        "words": search.text or None,
        "match": match if search.text else None,
        "place": answer.place_item(place) if place else None,
    }
