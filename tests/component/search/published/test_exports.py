"""Search results as GeoJSON, iCalendar and JSON-LD, read by others' readers."""

import json
from datetime import UTC, timedelta
from typing import Any

import httpx2
import pytest
from icalendar import Calendar

from tests.component.search.conftest import Programme
from tests.component.search.published.conftest import EVENING, HOSTILE, HOSTILE_VENUE, NOW, ORIGIN, TWICE

SHOWS = "/api/v1/search/shows"
FORMATS = {
    "geojson": "application/geo+json",
    "ics": "text/calendar; charset=utf-8",
    "jsonld": "application/ld+json",
}


async def fetch(client: httpx2.AsyncClient, form: str, **params: Any) -> httpx2.Response:
    answer = await client.get(f"{SHOWS}.{form}", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == FORMATS[form]
    return answer


async def features(client: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    body = (await fetch(client, "geojson", **params)).json()
    assert body["type"] == "FeatureCollection"
    return {feature["id"]: feature for feature in body["features"]}


async def entries(client: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    calendar = Calendar.from_ical((await fetch(client, "ics", **params)).content)
    return {str(entry["UID"]).removesuffix("@marquee"): entry for entry in calendar.walk("VEVENT")}


async def shows(client: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    body = json.loads((await fetch(client, "jsonld", **params)).content)
    assert (body["@context"], body["@type"]) == ("https://schema.org", "ItemList")
    assert [one["position"] for one in body["itemListElement"]] == list(range(1, body["numberOfItems"] + 1))
    return {one["item"]["identifier"]: one["item"] for one in body["itemListElement"]}


async def test_all_formats_find_what_the_search_finds_in_its_order(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    asked = {"query": "amelie in tokyo", "sort": "soonest"}
    plain = [item["showtimeId"] for item in (await reader.get(SHOWS, params=asked)).json()["items"]]
    assert plain == [published.ids["amelie in tokyo"]]
    for read in (features, entries, shows):
        assert list(await read(reader, **asked)) == plain
    long_run: dict[str, Any] = {"eventId": "event-Long Run", "sort": "soonest", "limit": 60}
    plain = [item["showtimeId"] for item in (await reader.get(SHOWS, params=long_run)).json()["items"]]
    assert len(plain) == 60
    for read in (features, entries, shows):
        assert list(await read(reader, **long_run)) == plain


@pytest.mark.parametrize("form", FORMATS)
async def test_nothing_found_is_an_empty_document(reader: httpx2.AsyncClient, form: str) -> None:
    await fetch(reader, form, query="xyzzy plugh")
    assert await features(reader, city="Nowhere") == {}
    assert await entries(reader, city="Nowhere") == {}
    assert await shows(reader, city="Nowhere") == {}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "query",
    ["facets=true", "cursor=x", "groupBy=event", "limit=0", "limit=501", "lat=1", "sort=distance", "near=Xyzzyville"],
)
async def test_what_the_search_refuses_or_makes_no_sense_here_is_refused(
    reader: httpx2.AsyncClient, form: str, query: str
) -> None:
    answer = await reader.get(f"{SHOWS}.{form}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_map_may_have_more_than_a_calendar(reader: httpx2.AsyncClient) -> None:
    assert (await reader.get(f"{SHOWS}.geojson?limit=500")).status_code == 200
    assert (await reader.get(f"{SHOWS}.ics?limit=201")).status_code == 422


async def test_lists_in_brackets_are_understood_here_too(reader: httpx2.AsyncClient, published: Programme) -> None:
    answer = await reader.get(f"{SHOWS}.geojson?category[]=concert&category[]=theatre")
    assert {feature["id"] for feature in answer.json()["features"]} == {
        published.ids["sold out"],
        published.ids["dinars"],
    }


async def test_others_pages_may_read_them(reader: httpx2.AsyncClient) -> None:
    assert (await fetch(reader, "geojson")).headers["access-control-allow-origin"] == "*"


async def test_a_feature_is_flat_and_stands_where_the_venue_is(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    found = await features(reader, lat=35.69, lon=139.70)
    feature = found[published.ids["amelie in tokyo"]]
    assert feature["type"] == "Feature"
    assert feature["geometry"] == {"type": "Point", "coordinates": [139.70, 35.69]}
    assert feature["properties"] == {
        "name": "Amélie",
        "category": "movie",
        "eventId": "event-amelie",
        "startsAt": "2026-11-25T05:00:00+09:00",
        "venue": "Kino Tokyo",
        "venueId": "venue-Kino Tokyo",
        "city": "Tokyo",
        "country": "JP",
        "price": 1900,
        "currency": "JPY",
        "available": None,
        "distanceMeters": 0,
        "url": f"{ORIGIN}/events/event-amelie#{published.ids['amelie in tokyo']}",
    }
    sold_out = (await features(reader, category="concert"))[published.ids["sold out"]]
    assert sold_out["properties"]["available"] == 0


async def test_a_calendar_entry_says_when_where_and_how_long(reader: httpx2.AsyncClient, published: Programme) -> None:
    entry = (await entries(reader, query="Amélie", city="Paris"))[published.ids["amelie"]]
    start = entry.decoded("dtstart")
    assert start.tzinfo.key == "Europe/Paris"
    assert start == EVENING
    assert entry.decoded("duration") == timedelta(minutes=122)
    assert entry.decoded("dtstamp") == NOW
    assert str(entry["summary"]) == "Amélie"
    assert str(entry["location"]) == "Le Champo, 51 rue des Écoles, 75005 Paris, France"
    assert (entry["geo"].latitude, entry["geo"].longitude) == (48.8499, 2.3435)
    assert str(entry["url"]) == f"{ORIGIN}/events/event-amelie#{published.ids['amelie']}"
    assert str(entry["description"]).split("\n") == [
        *("Movie", "Comedy, Romance", "122 minutes", "French", "12", "From 12.50 EUR"),
    ]
    again = (await entries(reader, query="Amélie", city="Paris"))[published.ids["amelie"]]
    assert again["uid"] == entry["uid"]


async def test_a_calendar_can_be_subscribed_to(reader: httpx2.AsyncClient) -> None:
    answer = await fetch(reader, "ics", query="Amélie")
    calendar = Calendar.from_ical(answer.content)
    assert str(calendar["version"]) == "2.0"
    assert str(calendar["x-wr-calname"]) == str(calendar["name"]) == "Marquee: Amélie"
    assert calendar.decoded("refresh-interval") == timedelta(hours=1)
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))


async def test_the_name_of_a_calendar_is_escaped(reader: httpx2.AsyncClient) -> None:
    written = (await fetch(reader, "ics", query="Me, you; \\n")).text
    for name in ("NAME", "X-WR-CALNAME"):
        assert f"\r\n{name}:Marquee: Me\\, you\\; \\\\n\r\n" in written


async def test_the_zones_in_a_calendar_tell_the_same_time_as_ours(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    """By the VTIMEZONE in the file alone, as a reader does that has no table of zones."""
    calendar = Calendar.from_ical((await fetch(reader, "ics", limit=200)).content)
    parts: list[Any] = calendar.walk()
    zones = {str(zone["tzid"]): zone.to_tz(lookup_tzid=False) for zone in parts if zone.name == "VTIMEZONE"}
    checked = set()
    for entry in (part for part in parts if part.name == "VEVENT"):
        start, name = entry.decoded("dtstart"), entry["dtstart"].params.get("TZID")
        if name:
            assert start.replace(tzinfo=zones[name]).utcoffset() == start.utcoffset(), start
            checked.add((name, start.utcoffset()))
    assert {
        ("Europe/Paris", timedelta(hours=1)),
        ("Europe/Paris", timedelta(hours=2)),
        ("Asia/Tokyo", timedelta(hours=9)),
    } <= checked


async def test_an_hour_that_comes_twice_is_not_taken_for_the_first(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    entry = (await entries(reader, query="Twice"))[published.ids["twice"]]
    assert entry.decoded("dtstart").astimezone(UTC) == TWICE
    assert entry["dtstart"].to_ical() == b"20271031T013000Z"


async def test_a_screening_has_its_film_its_place_and_its_offers(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    show = (await shows(reader, query="Amélie", city="Paris"))[published.ids["amelie"]]
    url = f"{ORIGIN}/events/event-amelie#{published.ids['amelie']}"
    assert show == {
        "@type": "ScreeningEvent",
        "@id": url,
        "url": url,
        "identifier": published.ids["amelie"],
        "name": "Amélie",
        "description": "Movie, Comedy, Romance, 122 minutes, French, 12. At Le Champo, Paris.",
        "startDate": "2026-11-24T20:00:00+01:00",
        "duration": "PT122M",
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "inLanguage": "fr",
        "image": ["https://images.example/amelie.jpg"],
        "location": {
            "@type": "Place",
            "@id": f"{ORIGIN}/venues/venue-Le%20Champo",
            "url": f"{ORIGIN}/venues/venue-Le%20Champo",
            "name": "Le Champo",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": "51 rue des Écoles",
                "addressLocality": "Paris",
                "addressRegion": "Île-de-France",
                "postalCode": "75005",
                "addressCountry": "FR",
            },
            "geo": {"@type": "GeoCoordinates", "latitude": 48.8499, "longitude": 2.3435},
        },
        "offers": {
            "@type": "AggregateOffer",
            "url": url,
            "priceCurrency": "EUR",
            "lowPrice": "12.50",
            "highPrice": "25.00",
            "availability": "https://schema.org/InStock",
            "offerCount": 2,
            "offers": [
                {
                    "@type": "Offer",
                    "name": "standard",
                    "price": "12.50",
                    "priceCurrency": "EUR",
                    "availability": "https://schema.org/InStock",
                },
                {
                    "@type": "Offer",
                    "name": "premium",
                    "price": "25.00",
                    "priceCurrency": "EUR",
                    "availability": "https://schema.org/SoldOut",
                },
            ],
        },
        "workPresented": {
            "@type": "Movie",
            "name": "Amélie",
            "genre": ["Comedy", "Romance"],
            "datePublished": "2001-04-25",
            "contentRating": "12",
            "alternateName": ["Amelie"],
            "duration": "PT122M",
            "image": ["https://images.example/amelie.jpg"],
            "contributor": [{"@type": "Person", "name": "Audrey Tautou"}],
        },
    }


async def test_a_show_is_what_its_category_says(reader: httpx2.AsyncClient, published: Programme) -> None:
    found = await shows(reader, limit=200)
    kinds = {name: found[published.ids[name]]["@type"] for name in ("amelie", "sold out", "dinars", "twice")}
    assert kinds == {"amelie": "ScreeningEvent", "sold out": "MusicEvent", "dinars": "TheaterEvent", "twice": "Event"}


async def test_offers_tell_sold_out_from_not_known_and_write_each_currency_its_way(
    reader: httpx2.AsyncClient, published: Programme
) -> None:
    found = await shows(reader, limit=200)
    offers = {name: found[id_]["offers"] for name, id_ in published.ids.items()}
    assert offers["sold out"]["availability"] == "https://schema.org/SoldOut"
    assert "availability" not in offers["dinars"]
    assert (offers["amelie in tokyo"]["lowPrice"], offers["amelie in tokyo"]["priceCurrency"]) == ("1900", "JPY")
    assert (offers["dinars"]["lowPrice"], offers["dinars"]["priceCurrency"]) == ("1.250", "KWD")
    dinars = (await entries(reader, category="theatre"))[published.ids["dinars"]]
    assert "From 1.250 KWD" in str(dinars["description"])


async def test_a_hostile_name_stays_a_name_in_every_format(reader: httpx2.AsyncClient, published: Programme) -> None:
    id_ = published.ids["hostile"]
    asked = {"eventId": "event ho?stile"}
    address = f"{ORIGIN}/events/event%20ho%3Fstile#{id_}"
    properties = (await features(reader, **asked))[id_]["properties"]
    assert (properties["name"], properties["venue"], properties["url"]) == (HOSTILE, HOSTILE_VENUE, address)
    show = (await shows(reader, **asked))[id_]
    assert (show["name"], show["location"]["name"], show["url"]) == (HOSTILE, HOSTILE_VENUE, address)
    entry = (await entries(reader, **asked))[id_]
    assert (str(entry["summary"]), str(entry["url"])) == (HOSTILE, address)
    assert str(entry["location"]).startswith(HOSTILE_VENUE)


@pytest.mark.parametrize("form", FORMATS)
async def test_while_elasticsearch_is_away_the_answer_is_a_503_problem(away: httpx2.AsyncClient, form: str) -> None:
    answer = await away.get(f"{SHOWS}.{form}")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
