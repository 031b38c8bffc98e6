"""robots.txt, the index of sitemaps, and the files in it, read as XML."""

from collections.abc import AsyncIterator
from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree

import httpx2
import pytest

from search_index.client import open_elasticsearch
from search_service.app import create_app
from search_service.config import Settings
from search_service.entry_store import EntryStore
from service_kit.errors import Unavailable
from tests.component.search.conftest import Programme
from tests.component.search.published.conftest import ORIGIN
from tests.support import running

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
EVENTS = {"event-amelie", "event-Sold", "event%20ho%3Fstile", "event-Dinars", "event-Twice", "event-Summer"} | {
    "event-Long%20Run"
}
VENUES = {"venue-Le%20Champo", "venue-hostile", "venue-Kino%20Tokyo", "venue-Kino%20Kuwait"}


@pytest.fixture
async def small_files(published_settings: Settings, published: Programme) -> AsyncIterator[httpx2.AsyncClient]:
    """Three addresses to a file."""
    async with running(create_app(published_settings, published.clock, urls_per_sitemap=3)) as client:
        yield client


async def locations(client: httpx2.AsyncClient, path: str, entry: str) -> list[str]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/xml"
    root = ElementTree.fromstring(answer.content)
    assert root.tag == f"{{{NAMES['s']}}}{'urlset' if entry == 'url' else 'sitemapindex'}"
    return [location.text or "" for location in root.findall(f"s:{entry}/s:loc", NAMES)]


async def files(client: httpx2.AsyncClient) -> list[str]:
    return [address.removeprefix(ORIGIN) for address in await locations(client, "/sitemap.xml", "sitemap")]


async def test_every_event_and_venue_with_a_show_to_come_is_in_the_sitemaps(reader: httpx2.AsyncClient) -> None:
    assert await files(reader) == ["/sitemaps/events-1.xml", "/sitemaps/venues-1.xml"]
    events = await locations(reader, "/sitemaps/events-1.xml", "url")
    assert sorted(events) == sorted(f"{ORIGIN}/events/{name}" for name in EVENTS)
    venues = await locations(reader, "/sitemaps/venues-1.xml", "url")
    assert sorted(venues) == sorted(f"{ORIGIN}/venues/{name}" for name in VENUES)


async def test_every_address_in_a_sitemap_is_a_page_of_that_address(reader: httpx2.AsyncClient) -> None:
    for path in await files(reader):
        for address in await locations(reader, path, "url"):
            page = await reader.get(address.removeprefix(ORIGIN))
            assert page.status_code == 200
            assert f'<link rel="canonical" href="{address}">' in page.text


async def test_many_addresses_are_cut_into_files_that_together_have_each_once(
    small_files: httpx2.AsyncClient,
) -> None:
    paths = await files(small_files)
    assert paths == [
        *(f"/sitemaps/events-{number}.xml" for number in (1, 2, 3)),
        *(f"/sitemaps/venues-{number}.xml" for number in (1, 2)),
    ]
    found = [await locations(small_files, path, "url") for path in paths]
    assert [len(addresses) for addresses in found] == [3, 3, 1, 3, 1]
    addresses = [address.rpartition("/")[2] for some in found for address in some]
    assert sorted(addresses) == sorted(EVENTS | VENUES)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
async def test_batches_of_any_size_give_the_same_in_the_same_order(
    published_settings: Settings, published: Programme, batch: int
) -> None:
    async with open_elasticsearch(published_settings.elasticsearch_url, seconds=20) as client:
        entries = EntryStore(client, published_settings.namespace, batch)
        every = [id_ async for ids in entries.ids("event", skip=0, most=100) for id_ in ids]
        assert every == sorted(every)
        assert len(every) == await entries.count("event") == len(EVENTS)
        for skip, most in ((0, 3), (3, 3), (2, 4), (6, 3), (7, 3), (5, 1)):
            some = [ids async for ids in entries.ids("event", skip=skip, most=most)]
            assert [id_ for ids in some for id_ in ids] == every[skip : skip + most]
            assert all(len(ids) <= batch for ids in some)


@pytest.mark.parametrize(
    "path",
    ["/sitemaps/events-0.xml", "/sitemaps/events-2.xml", "/sitemaps/halls-1.xml", f"/sitemaps/events-{9**50}.xml"],
)
async def test_a_file_that_the_index_does_not_name_is_404(reader: httpx2.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["events-x", f"events-{'9' * 5_000}", "events-1.5"])
async def test_a_file_without_a_number_is_refused(reader: httpx2.AsyncClient, name: str) -> None:
    assert (await reader.get(f"/sitemaps/{name}.xml")).status_code == 422


async def test_robots_may_read_pages_but_not_the_api_and_learn_of_the_sitemap(reader: httpx2.AsyncClient) -> None:
    answer = await reader.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    robots = RobotFileParser()
    robots.parse(answer.text.splitlines())
    assert robots.site_maps() == [f"{ORIGIN}/sitemap.xml"]
    assert robots.can_fetch("AnyBot", f"{ORIGIN}/events/event-amelie")
    assert not robots.can_fetch("AnyBot", f"{ORIGIN}/api/v1/search/shows")


async def test_while_elasticsearch_is_away_sitemaps_are_503_problems(away: httpx2.AsyncClient) -> None:
    for path in ("/sitemap.xml", "/sitemaps/events-1.xml"):
        answer = await away.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await away.get("/robots.txt")).status_code == 200


async def test_before_the_index_is_there_sitemaps_are_not_either(
    published_settings: Settings, published: Programme
) -> None:
    nothing = published_settings.model_dump() | {"namespace": f"{published_settings.namespace}nothing"}
    settings = Settings.model_validate(nothing)
    async with running(create_app(settings, published.clock)) as client:
        for path in ("/sitemap.xml", "/sitemaps/events-1.xml"):
            assert (await client.get(path)).status_code == 503
    async with open_elasticsearch(settings.elasticsearch_url, seconds=20) as elasticsearch:
        with pytest.raises(Unavailable):
            await anext(EntryStore(elasticsearch, settings.namespace).ids("event", skip=0, most=1))
