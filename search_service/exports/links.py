"""Addresses of what we publish. They come from the settings: a `Host` header is whatever its sender likes."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

Format = Literal["ics", "geojson", "jsonld"]


@dataclass(frozen=True, slots=True)
class Links:
    """`origin` is scheme and host, without a slash at its end."""

    origin: str

    def event(self, event_id: str) -> str:
        return f"{self.origin}/events/{quote(event_id, safe='')}"

    def venue(self, venue_id: str) -> str:
        return f"{self.origin}/venues/{quote(venue_id, safe='')}"

    def show(self, item: dict[str, Any]) -> str:
        """Its line on the page of its event."""
        return f"{self.event(item['event']['eventId'])}#{quote(item['showtimeId'], safe='')}"

    def export(self, form: Format, **parameters: str) -> str:
        return f"{self.origin}/api/v1/search/shows.{form}?{urlencode(parameters)}"

    def sitemaps(self) -> str:
        return f"{self.origin}/sitemap.xml"

    def sitemap(self, kind: str, number: int) -> str:
        return f"{self.origin}/sitemaps/{kind}-{number}.xml"
