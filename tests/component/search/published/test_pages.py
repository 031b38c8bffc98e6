"""Pages of events and venues, as a browser without scripts and a search engine read them."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from tests.component.search.conftest import Programme
from tests.component.search.published.conftest import HOSTILE, HOSTILE_VENUE, ORIGIN

EMPTY = {"meta", "link", "img", "br", "input", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page in order, each with all the text in it."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [e for e in self.elements if e.tag == tag and attributes.items() <= e.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        [found] = self.all(tag, **attributes)
        return found

    def row(self, showtime_id: str) -> list[str]:
        at = self.elements.index(self.one("tr", id=showtime_id))
        cells: list[str] = []
        for element in self.elements[at + 1 :]:
            if element.tag == "tr":
                break
            if element.tag in {"th", "td"}:
                cells.append(" ".join(element.text.split()))
        return cells

    @property
    def linked_data(self) -> list[dict[str, Any]]:
        shows: list[dict[str, Any]] = json.loads(self.one("script").text)["@graph"]
        return shows


def parsed(answer: httpx2.Response) -> Page:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page()
    page.feed(answer.text)
    page.close()
    return page


async def fetch(client: httpx2.AsyncClient, path: str) -> Page:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return parsed(answer)


async def test_an_event_page_has_its_facts_and_its_next_shows_at_the_clock_of_each_venue(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    page = await fetch(reader, "/events/event-amelie")
    assert page.one("h1").text == page.one("title").text.removesuffix(" | Marquee") == "Amélie"
    facts = dict(zip((e.text for e in page.all("dt")), (e.text for e in page.all("dd")), strict=True))
    assert facts == {
        "Category": "movie",
        "Genre": "Comedy, Romance",
        "Length": "122 minutes",
        "Language": "French",
        "Certificate": "12",
        "Released": "2001-04-25",
        "With": "Audrey Tautou",
    }
    assert page.row(published.ids["amelie"]) == [
        *("Tue 24 Nov 2026, 20:00", "Le Champo, Paris", "from 12.50 EUR", "10 seats free"),
    ]
    assert page.row(published.ids["amelie in tokyo"]) == [
        *("Wed 25 Nov 2026, 05:00", "Kino Tokyo, Tokyo", "from 1900 JPY", "not on sale yet"),
    ]
    assert page.all("time")[0].attributes["datetime"] == "2026-11-24T20:00:00+01:00"


async def test_a_venue_page_lists_what_is_on_there(reader: httpx2.AsyncClient, published: Programme) -> None:
    page = await fetch(reader, "/venues/venue-Le%20Champo")
    assert page.one("h1").text == "Le Champo"
    assert page.one("address").text == "51 rue des Écoles, 75005 Paris, France"
    assert page.row(published.ids["sold out"]) == [
        *("Tue 24 Nov 2026, 20:00", "Sold, concert", "from 12.00 EUR", "sold out"),
    ]


async def test_pages_of_events_and_venues_lead_to_each_other(reader: httpx2.AsyncClient) -> None:
    for path, there in (
        ("/events/event-amelie", "/venues/venue-Le%20Champo"),
        ("/venues/venue-Le%20Champo", "/events/event-amelie"),
    ):
        page = await fetch(reader, path)
        assert f"{ORIGIN}{there}" in {link.attributes["href"] for link in page.all("a")}
        assert (await reader.get(there)).status_code == 200


async def test_a_page_says_who_it_is_under_our_own_address_whatever_the_host_header(
    reader: httpx2.AsyncClient,
) -> None:
    answer = await reader.get("/events/event-amelie")
    assert "evil.example" not in answer.text
    page = parsed(answer)
    address = f"{ORIGIN}/events/event-amelie"
    assert page.one("link", rel="canonical").attributes["href"] == address
    graph = {e.attributes["property"]: e.attributes["content"] for e in page.all("meta") if "property" in e.attributes}
    summary = page.one("meta", name="description").attributes["content"]
    assert graph == {
        "og:site_name": "Marquee",
        "og:type": "website",
        "og:title": "Amélie",
        "og:description": summary,
        "og:url": address,
        "og:image": "https://images.example/amelie.jpg",
    }
    assert summary is not None
    assert summary.startswith("Amélie: Movie, Comedy, Romance")


async def test_other_formats_of_a_page_are_linked_and_there(reader: httpx2.AsyncClient) -> None:
    page = await fetch(reader, "/venues/venue-hostile")
    types = {link.attributes["type"]: link.attributes["href"] for link in page.all("link", rel="alternate")}
    assert set(types) == {"text/calendar", "application/ld+json", "application/geo+json"}
    for type_, address in types.items():
        answer = await reader.get(str(address))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(str(type_))


async def test_the_linked_data_of_a_page_are_its_shows(reader: httpx2.AsyncClient, published: Programme) -> None:
    page = await fetch(reader, "/events/event-amelie")
    assert [show["identifier"] for show in page.linked_data] == [
        published.ids["amelie"],
        published.ids["amelie in tokyo"],
    ]
    for show in page.linked_data:
        address, _, line = show["url"].partition("#")
        assert address == page.one("link", rel="canonical").attributes["href"]
        assert page.one("tr", id=line)


@pytest.mark.parametrize("path", ["/events/event%20ho%3Fstile", "/venues/venue-hostile"])
async def test_a_hostile_name_is_text_and_nothing_but_text(reader: httpx2.AsyncClient, path: str) -> None:
    page = await fetch(reader, path)
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 0
    assert not any(name.startswith("on") for e in page.elements for name in e.attributes)
    [show] = page.linked_data
    assert (show["name"], show["location"]["name"]) == (HOSTILE, HOSTILE_VENUE)
    assert {HOSTILE, HOSTILE_VENUE} & {page.one("h1").text}
    script = page.one("script").text
    assert not set("<>&\u2028\u2029") & set(script)


@pytest.mark.parametrize("path", ["/events/event-amelie", "/venues/venue-Le%20Champo", "/events/nothing"])
async def test_no_script_may_run_and_nothing_foreign_is_loaded(reader: httpx2.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_has_a_language_landmarks_and_headings_in_order(reader: httpx2.AsyncClient) -> None:
    page = await fetch(reader, "/events/event-amelie")
    assert page.one("html").attributes["lang"] == "en"
    for landmark in ("header", "main", "footer"):
        page.one(landmark)
    assert [e.tag for e in page.elements if e.tag in {"h1", "h2", "h3"}] == ["h1", "h2"]
    assert all("scope" in header.attributes for header in page.all("th"))
    assert all("alt" in image.attributes for image in page.all("img"))


async def test_of_a_long_run_the_next_fifty_shows_are_listed(reader: httpx2.AsyncClient, published: Programme) -> None:
    page = await fetch(reader, "/events/event-Long%20Run")
    ids = [row.attributes["id"] for row in page.all("tr") if "id" in row.attributes]
    assert ids == [published.ids[f"long run {number}"] for number in range(50)]
    assert "There are more later on." in page.one("main").text
    assert "There are more" not in (await fetch(reader, "/events/event-amelie")).one("main").text


async def test_a_page_is_kept_shortly_and_not_sent_again_unchanged(reader: httpx2.AsyncClient) -> None:
    first = await reader.get("/events/event-amelie")
    assert first.headers["cache-control"] == "public, max-age=30"
    again = await reader.get("/events/event-amelie", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await reader.get("/events/event-Sold")).headers["etag"] != first.headers["etag"]
    assert (await reader.head("/events/event-amelie")).status_code == 200


@pytest.mark.parametrize("path", ["/events/nothing", "/venues/%3Cscript%3E", "/venues/event-amelie"])
async def test_where_nothing_is_on_a_page_says_so_with_404(reader: httpx2.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 404
    page = parsed(answer)
    assert page.one("h1").text == "Nothing is on here"
    assert page.one("meta", name="robots").attributes["content"] == "noindex"


@pytest.mark.parametrize("path", ["/events/event-amelie", "/venues/venue-hostile"])
async def test_while_elasticsearch_is_away_a_page_says_so_with_503(away: httpx2.AsyncClient, path: str) -> None:
    answer = await away.get(path)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert parsed(answer).one("h1").text
