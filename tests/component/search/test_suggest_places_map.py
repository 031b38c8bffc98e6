"""As-you-type, the gazetteer and the map."""

from typing import Any

import httpx2
import pytest

from tests.component.search.conftest import Finder


async def suggest(client: httpx2.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/search/suggest", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("typed", ["am", "ame", "Amé", "amelie", "AMELIE", "amleie"])
async def test_a_title_is_suggested_while_it_is_typed(client: httpx2.AsyncClient, typed: str) -> None:
    items = await suggest(client, q=typed)
    event = {"kind": "event", "id": "event-Amélie", "text": "Amélie", "category": "movie", "imageUrl": None}
    assert event in items


async def test_events_venues_and_places_come_in_one_list_each_once(client: httpx2.AsyncClient) -> None:
    items = await suggest(client, q="zur")
    assert [item["kind"] for item in items] == ["place"] * 3
    kinds = {(item["kind"], item["text"]) for item in await suggest(client, q="pa", limit=20)}
    assert ("event", "Paging") in kinds
    assert ("venue", "Page 3") in kinds
    assert ("place", "Paris") in kinds
    items = await suggest(client, q="page", limit=20)
    assert len({item["id"] for item in items if item["kind"] == "venue"}) == 7


async def test_similar_names_are_left_out_where_a_name_begins_as_typed(client: httpx2.AsyncClient) -> None:
    assert "Star Trek" not in {item["text"] for item in await suggest(client, q="star w", limit=20)}
    assert "The Godfather" in {item["text"] for item in await suggest(client, q="the gdofather", limit=20)}


async def test_what_is_named_exactly_so_comes_first(client: httpx2.AsyncClient) -> None:
    assert (await suggest(client, q="dune"))[0]["id"] == "event-Dune"
    assert (await suggest(client, q="paris"))[0]["kind"] == "place"


async def test_among_titles_alike_the_most_booked_is_suggested_first_unless_another_is_near(
    client: httpx2.AsyncClient,
) -> None:
    booked = [item["text"] for item in await suggest(client, q="harbour ") if item["kind"] == "event"]
    assert booked == ["Harbour", "Harbour Lights", "Harbour Nights"]
    assert (await suggest(client, q="pier"))[0]["text"] == "Pier Harbour Lights"
    assert (await suggest(client, q="pier", lat=5.6, lon=-3.9))[0]["text"] == "Pier Harbour"


@pytest.mark.parametrize("typed", ["starwars", "starwa", "star wars"])
async def test_a_title_of_two_words_is_found_as_one(client: httpx2.AsyncClient, find: Finder, typed: str) -> None:
    assert (await suggest(client, q=typed))[0]["text"] == "Star Wars"
    if typed != "starwa":
        assert (await find.names(query=typed))[0] == "Star Wars"
        assert await find.names(query=typed, sort="soonest") == ["Star Wars"]


async def test_the_nearest_venue_is_suggested_first(client: httpx2.AsyncClient) -> None:
    near_tokyo = await suggest(client, q="kino", lat=35.6, lon=139.7)
    near_new_york = await suggest(client, q="kino", lat=40.7, lon=-74)
    assert near_tokyo[0]["text"] == "Kino Tokyo"
    assert near_new_york[0]["text"] == "Kino New York"


async def test_a_place_with_a_typo_is_suggested_all_the_same(client: httpx2.AsyncClient) -> None:
    assert {"Paris"} <= {item["text"] for item in await suggest(client, q="pariss")}
    [first, *_] = (await client.get("/api/v1/search/places", params={"q": "lodnon"})).json()["items"]
    assert (first["name"], first["country"]) == ("London", "GB")


async def test_nothing_typed_suggests_nothing_and_half_a_position_is_refused(client: httpx2.AsyncClient) -> None:
    assert await suggest(client, q="") == []
    assert (await client.get("/api/v1/search/suggest?q=a&lat=1")).status_code == 422


async def test_a_title_that_is_on_no_more_is_not_suggested(client: httpx2.AsyncClient) -> None:
    assert {item["kind"] for item in await suggest(client, q="begun")} <= {"place"}
    assert {item["kind"] for item in await suggest(client, q="cancelled")} <= {"place"}


async def test_places_are_found_in_every_spelling_with_position_and_zone(client: httpx2.AsyncClient) -> None:
    for typed in ("Zürich", "zurich", "Zuri"):
        items = (await client.get("/api/v1/search/places", params={"q": typed})).json()["items"]
        assert items[0]["name"] == "Zürich"
        assert set(items[0]) == {
            *("name", "country", "lat", "lon", "population", "timezone", "geonameId", "region", "alternateNames"),
        }
        assert items[0]["timezone"] == "Europe/Zurich"
    assert (await client.get("/api/v1/search/places?q=")).json() == {"items": []}


async def test_a_map_with_few_venues_shows_each_and_one_with_many_shows_clusters(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/search/map?bbox=2,48,9,49&zoom=12")
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["type"] == "FeatureCollection"
    [feature] = body["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [2.3435, 48.8499]}
    assert feature["properties"]["name"] == "Le Champo"
    assert feature["properties"]["showtimes"] == 12
    world = (await client.get("/api/v1/search/map?bbox=-180,-90,180,90&zoom=24")).json()["features"]
    assert 15 < len(world) <= 500


@pytest.mark.parametrize("query", ["", "zoom=3", "bbox=0,0,1", "bbox=0,0,1,1&zoom=-1", "bbox=0,0,1,1&zoom=99"])
async def test_a_map_without_a_sane_box_or_zoom_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"/api/v1/search/map?{query}")).status_code == 422
