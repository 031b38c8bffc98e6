"""Events and cities over HTTP."""

from typing import Any

import pytest

from tests.component.venues.catalogue import Catalogue, pointers


async def test_an_event_is_made_read_changed_and_deleted(catalogue: Catalogue) -> None:
    body: dict[str, Any] = {
        "name": "Alien",
        "category": "movie",
        "description": "In space.\nNo one can hear you scream.",
        "keywords": ["space", "horror"],
        "imageUrl": "https://example.com/alien.jpg",
        "metadata": {
            "genre": "Horror",
            "language": "en",
            "releaseDate": "1979-05-25",
            "durationMinutes": 117,
            "trailerUrl": "https://example.com/alien",
            "certificate": "18",
            "people": ["Ridley Scott"],
            "alternateNames": ["Alien, el octavo pasajero"],
        },
    }
    answer = await catalogue.send("POST", "/events", body)
    assert answer.status_code == 201
    event = answer.json()
    assert event == {**body, "eventId": event["eventId"], "version": 1}
    path = f"/events/{event['eventId']}"
    assert answer.headers["location"] == f"/api/v1{path}"
    assert (await catalogue.get(path, if_none_match='"1"')).status_code == 304
    patch = {"description": None, "metadata": {"durationMinutes": 120, "genre": None}}
    changed = await catalogue.send("PATCH", path, patch, if_match='"1"')
    assert changed.json()["description"] == ""
    assert changed.json()["metadata"] == {**body["metadata"], "durationMinutes": 120, "genre": None}
    assert changed.headers["etag"] == '"2"'
    assert (await catalogue.send("PATCH", path, patch, if_match='"1"')).status_code == 412
    assert (await catalogue.send("DELETE", path, if_match='"1"')).status_code == 412
    assert (await catalogue.send("DELETE", path)).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert (await catalogue.send(method, path, {} if method == "PATCH" else None)).status_code == 404
    assert (await catalogue.get(f"{path}/showtimes")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": ""}, "/name"),
        ({"name": ["a"]}, "/name"),
        ({"category": ""}, "/category"),
        ({"keywords": "x"}, "/keywords"),
        ({"keywords": ["ok", "a\x00"]}, "/keywords/1"),
        ({"keywords": ["x"] * 51}, "/keywords"),
        ({"description": "x" * 5_001}, "/description"),
        ({"imageUrl": "ftp://example.com"}, "/imageUrl"),
        ({"metadata": {"durationMinutes": 0}}, "/metadata/durationMinutes"),
        ({"metadata": {"durationMinutes": "90"}}, "/metadata/durationMinutes"),
        ({"metadata": {"releaseDate": "25.5.1979"}}, "/metadata/releaseDate"),
        ({"metadata": {"rating": 5}}, "/metadata/rating"),
        ({"$set": {}}, "/$set"),
    ],
)
async def test_a_faulty_field_is_named(catalogue: Catalogue, fields: dict[str, object], at: str) -> None:
    body = {"name": "E", "category": "movie", **fields}
    assert pointers(await catalogue.send("POST", "/events", body)) == {at}


async def test_lists_by_category_and_text(catalogue: Catalogue) -> None:
    carmen = await catalogue.event(name="Carmen", category="Opera", keywords=["Bizet"])
    alien = await catalogue.event(name="Aliën", category="movie")

    async def names(query: str) -> list[str]:
        return [event["name"] for event in (await catalogue.get(f"/events?{query}")).json()["items"]]

    assert await names("") == [carmen["name"], alien["name"]]
    assert await names("category=opera") == ["Carmen"]
    assert await names("text=alien") == ["Aliën"]
    assert await names("text=BIZET") == ["Carmen"]
    first = (await catalogue.get("/events?limit=1")).json()
    assert await names(f"limit=1&cursor={first['nextCursor']}") == ["Aliën"]


async def test_an_event_with_upcoming_showtimes_cannot_be_deleted(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    refused = await catalogue.send("DELETE", f"/events/{stage.event_id}")
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/event-in-use")
    assert (await catalogue.get(f"/events/{stage.event_id}")).status_code == 200
    await catalogue.send("DELETE", f"/showtimes/{showtime['showtimeId']}")
    assert (await catalogue.send("DELETE", f"/events/{stage.event_id}")).status_code == 204


async def test_cities_are_those_with_upcoming_shows(catalogue: Catalogue) -> None:
    await catalogue.venue(city="Berlin", address={"country": "DE"})
    stage = await catalogue.stage()
    await stage.showtime(catalogue.at(days=2))
    await stage.showtime(catalogue.at(days=1))
    answer = await catalogue.get("/cities")
    assert answer.json() == {
        "items": [{"city": "Paris", "country": "FR", "venues": 1, "events": 1, "showtimes": 2}],
        "nextCursor": None,
    }
    playing = (await catalogue.get("/cities/PÂRIS/events")).json()["items"]
    assert [(one["eventId"], one["showtimes"]) for one in playing] == [(stage.event_id, 2)]
    first = (await catalogue.get("/showtimes?limit=1")).json()["items"][0]
    assert playing[0]["nextStartsAt"] == first["startsAt"]
    assert (await catalogue.get("/cities/Berlin/events")).json()["items"] == []
    assert (await catalogue.get("/cities/a%00b/events")).status_code == 422
    catalogue.clock.set(catalogue.clock.now().replace(year=catalogue.clock.now().year + 1))
    assert (await catalogue.get("/cities")).json()["items"] == []


async def test_cities_and_their_events_go_page_by_page(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    others = [(await catalogue.event())["eventId"] for _ in range(2)]
    await stage.showtime(catalogue.at(days=3))
    for day, event_id in enumerate(others, 1):
        stage.event_id = event_id
        await stage.showtime(catalogue.at(days=day))
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        query = "?limit=1" + (f"&cursor={cursor}" if cursor else "")
        page = (await catalogue.get(f"/cities/paris/events{query}")).json()
        seen += [one["eventId"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert seen[:2] == others
    assert len(set(seen)) == 3
    assert cursor is None
    venue = await catalogue.venue(city="Berlin", address={"country": "DE"})
    hall = await catalogue.hall(venue["venueId"])
    stage.venue_id, stage.hall_id = venue["venueId"], hall["hallId"]
    await stage.showtime(catalogue.at(days=1))
    page = (await catalogue.get("/cities?limit=1")).json()
    assert [city["city"] for city in page["items"]] == ["Berlin"]
    page = (await catalogue.get(f"/cities?limit=1&cursor={page['nextCursor']}")).json()
    assert [city["city"] for city in page["items"]] == ["Paris"]
    assert page["nextCursor"] is None
