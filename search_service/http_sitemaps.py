"""Routes for search engines: what they may read, and where it is."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse, StreamingResponse

from search_service.exports.links import Links
from search_service.sitemaps import Sitemaps

KEPT = {"Cache-Control": "public, max-age=600"}


class Xml(Response):
    media_type = "application/xml"


router = APIRouter(tags=["pages"])


@router.get("/robots.txt", response_class=PlainTextResponse)
async def robots(request: Request) -> Response:
    """Pages may be read by all; the API says the same again, without end."""
    links: Links = request.app.state.links
    lines = (
        "User-agent: *",
        "Allow: /api/v1/search/shows.ics",
        "Disallow: /api/",
        "",
        f"Sitemap: {links.sitemaps()}",
        "",
    )
    return PlainTextResponse("\n".join(lines), headers=KEPT)


@router.get("/sitemap.xml", response_class=Xml)
async def sitemap_index(request: Request) -> Response:
    """The sitemaps there are."""
    return Xml(await _sitemaps(request).index(), headers=KEPT)


@router.get("/sitemaps/{part}-{number}.xml", response_class=Xml)
async def sitemap(part: str, number: int, request: Request) -> Response:
    """Pages of events or venues with a show to come, up to 50,000 in one file."""
    pieces = _sitemaps(request).urls(part, number)
    # Until there is a first piece, the answer may still be that there is none.
    return StreamingResponse(_chained(await anext(pieces), pieces), headers=KEPT, media_type=Xml.media_type)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _sitemaps(request: Request) -> Sitemaps:
    sitemaps: Sitemaps = request.app.state.sitemaps
    return sitemaps
