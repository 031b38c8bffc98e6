"""Sitemaps (sitemaps.org): the addresses of all pages that there are, for search engines to read."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from xml.sax.saxutils import escape

from search_index.document import PartKind
from search_service.entry_store import EntryStore
from search_service.exports.links import Links
from service_kit.errors import NotFound

PARTS: dict[str, PartKind] = {"events": "event", "venues": "venue"}
# By the protocol, which also says 50 MB; so many of our addresses are 6.
MOST_URLS = 50_000
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
START = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Sitemaps:
    """When a page last changed the index doesn't say, so no `lastmod` is claimed."""

    def __init__(self, entries: EntryStore, links: Links, most_urls: int = MOST_URLS) -> None:
        self._entries = entries
        self._links = links
        self._most = most_urls

    async def index(self) -> str:
        """The sitemap of sitemaps. Raises Unavailable."""
        addresses = [
            self._links.sitemap(part, number + 1)
            for part, kind in PARTS.items()
            for number in range(await self._files(kind))
        ]
        lines = "".join(_line("sitemap", address) for address in addresses)
        return f'{START}<sitemapindex xmlns="{NAMESPACE}">\n{lines}</sitemapindex>\n'

    async def urls(self, part: str, number: int) -> AsyncIterator[bytes]:
        """The file of that number, as it is read; the first piece only after the first addresses are there.

        Raises NotFound for a file that the index doesn't name, or Unavailable.
        """
        kind = PARTS.get(part)
        if kind is None or not 1 <= number <= await self._files(kind):
            raise NotFound("There is no such sitemap")
        address = self._links.event if kind == "event" else self._links.venue
        start = f'{START}<urlset xmlns="{NAMESPACE}">\n'
        async with aclosing(self._entries.ids(kind, skip=(number - 1) * self._most, most=self._most)) as batches:
            async for ids in batches:
                yield (start + _urls(map(address, ids))).encode()
                start = ""
        yield f"{start}</urlset>\n".encode()

    async def _files(self, kind: PartKind) -> int:
        return -(-await self._entries.count(kind) // self._most)


def _urls(addresses: Iterable[str]) -> str:
    return "".join(_line("url", address) for address in addresses)


def _line(tag: str, address: str) -> str:
    return f"<{tag}><loc>{escape(address)}</loc></{tag}>\n"
