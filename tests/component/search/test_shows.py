"""`GET /api/v1/search/shows`: place, words, time, seats, order and pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from geopy.distance import geodesic

from tests.component.search.conftest import ISLAND, TITLES, Finder, Programme

PATH = "/api/v1/search/shows"
AROUND_ISLAND = {"lat": ISLAND[0], "lon": ISLAND[1]}


async def test_an_answer_has_exactly_the_fields_of_the_contract(find: Finder, programme: Programme) -> None:
    body = await find.answer(query="wide seats", venueId="venue-Seat Palace", limit=1, lat=-17.8, lon=177.4)
    assert set(body) == {
        *("items", "total", "facets", "didYouMean", "interpretedAs", "nearMisses", "nextCursor"),
    }
    body = await find.answer(venueId="venue-Seat Palace", sort="price", limit=1, lat=-17.8, lon=177.4)
    [item] = body["items"]
    assert set(item) == {
        *("showtimeId", "startsAt", "event", "venue", "distanceMeters", "score", "price", "onSale", "availability"),
    }
    assert item["showtimeId"] == programme.ids["cheap"]
    assert item["price"] == {"from": 900, "currency": "EUR"}
    assert item["availability"] == {
        "available": 20,
        "total": 120,
        "largestBlock": 6,
        "together": [900, 900, 2500, 2500, 2500, 2500],
        "bySeatType": {
            "standard": {"total": 50, "available": 10, "largestBlock": 2, "price": 900, "together": [900] * 2},
            "premium": {"total": 50, "available": 10, "largestBlock": 6, "price": 2500, "together": [2500] * 6},
        },
        "asOf": "2026-01-01T00:00:03Z",
        "version": 3,
    }
    assert item["venue"]["location"] == {"lat": -17.8, "lon": 177.4}
    assert item["distanceMeters"] == 0
    assert body["total"] == {"value": 5, "relation": "eq"}


async def test_times_are_answered_with_the_venues_own_offset(find: Finder) -> None:
    [item] = (await find.answer(query="Midnight", city="Tokyo", limit=1))["items"]
    assert item["startsAt"].endswith("T00:00:00+09:00")


async def test_shows_that_began_or_were_cancelled_never_appear(find: Finder, programme: Programme) -> None:
    assert await find.names(query="Begun") == []
    assert await find.names(query="Cancelled") == []
    assert "begun" not in await find.names(venueId="venue-Le Champo")


async def test_a_show_disappears_the_moment_it_begins(find: Finder, programme: Programme) -> None:
    assert await find.names(query="Soon") == ["soon over"]
    before = programme.clock.now()
    programme.clock.advance(timedelta(seconds=30))
    try:
        assert await find.names(query="Soon") == []
    finally:
        programme.clock.set(before)


async def test_a_circle_holds_what_is_inside_and_nothing_outside(find: Finder) -> None:
    found = await find.names(**AROUND_ISLAND, distance="10km")
    assert sorted(found) == ["inside0", "inside180", "inside270", "inside90"]
    assert len(await find.names(**AROUND_ISLAND, distance="11km")) == 8
    assert len(await find.names(**AROUND_ISLAND)) == 8
    assert len(await find.names(**AROUND_ISLAND, distance="6.3mi")) == 8
    assert await find.names(**AROUND_ISLAND, distance="9000m") == []


async def test_distances_are_metres_in_order_and_within_the_circle(find: Finder) -> None:
    items = (await find.answer(**AROUND_ISLAND, sort="distance", distance="11km"))["items"]
    metres = [item["distanceMeters"] for item in items]
    assert metres == sorted(metres)
    for item in items:
        there = (item["venue"]["location"]["lat"], item["venue"]["location"]["lon"])
        assert item["distanceMeters"] == pytest.approx(geodesic(ISLAND, there).meters, rel=0.006)


async def test_a_box_holds_its_venues_also_across_the_date_line(find: Finder) -> None:
    assert set(await find.names(bbox="2,48,3,49", query="Amélie")) == {"Amélie"}
    across = await find.answer(bbox="176,-19,-149,-4", limit=1)
    assert across["total"]["value"] == 5 + 310 + 8


async def test_a_place_name_is_as_good_as_a_position(find: Finder) -> None:
    body = await find.answer(near="Zuerich", query="Dune", sort="distance")
    assert [item["venue"]["city"] for item in body["items"]] == ["Zürich"]
    assert body["interpretedAs"]["place"]["name"] == "Zürich"
    assert body["items"][0]["distanceMeters"] < 5_000


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("amelie", "Amélie"),
        ("AMÉLIE", "Amélie"),
        ("dune part two", "Dune: Part Two"),
        ("Dune: Part", "Dune: Part Two"),
        ("it", "It"),
        ("spiderman", "Spider-Man: No Way Home"),
        ("spider man no w", "Spider-Man: No Way Home"),
        ("godfahter", "The Godfather"),
        ("the godfther", "The Godfather"),
        ("cuckoos nest", "One Flew Over the Cuckoo's Nest"),
        ("mash", "M*A*S*H"),
        ("千尋", "千と千尋の神隠し"),
        ("amelie champo", "Amélie"),
        ("godfather paris", "The Godfather"),
        ("horror paris", "It"),
    ],
)
async def test_what_is_typed_finds_what_is_meant(find: Finder, typed: str, first: str) -> None:
    assert (await find.names(query=typed, limit=5))[0] == first


@pytest.mark.parametrize("typed", ["zurich", "Zürich", "zuerich", "ZUERICH"])
async def test_a_city_is_found_in_each_of_its_spellings(find: Finder, typed: str) -> None:
    assert await find.names(city=typed) == ["zurich"]
    assert (await find.names(query=f"dune {typed}"))[0] == "zurich"
    assert (await find.names(query=f"{typed} altstadt"))[0] == "zurich"


async def test_exact_titles_come_before_others_with_all_words(find: Finder) -> None:
    dunes = await find.names(query="dune")
    assert {*dunes[:2]} == {"Dune", "zurich"}
    assert dunes[2] == "Dune: Part Two"


@pytest.mark.parametrize("sort", ["relevance", "soonest"])
async def test_looser_matches_only_stand_in_for_missing_ones(find: Finder, sort: str) -> None:
    for typed, match, titles in (
        ("star wars", "all", {"Star Wars"}),
        ("star wras", "similar", {"Star Wars"}),
        ("star xylophone", "some", {"Star Wars", "Star Trek"}),
    ):
        assert set(await find.names(query=typed, sort=sort)) == titles
        body = await find.answer(query=typed, sort=sort, facets="category")
        assert body["interpretedAs"]["match"] == match
        assert body["facets"]["category"] == [{"value": "movie", "count": len(titles)}]


async def test_a_typo_is_answered_with_what_was_probably_meant(find: Finder) -> None:
    body = await find.answer(query="godfahter")
    assert body["didYouMean"] == "The Godfather"
    assert body["interpretedAs"]["match"] == "similar"
    assert (await find.answer(query="godfather"))["didYouMean"] is None


@pytest.mark.parametrize("typed", ["!!!", "***", "🎭", "\u2026"])
async def test_words_without_letters_find_nothing(find: Finder, typed: str) -> None:
    assert await find.names(query=typed) == []


async def test_a_date_is_the_day_at_each_venue(find: Finder, programme: Programme) -> None:
    day = (programme.clock.now() + timedelta(days=5)).date()
    everywhere = {"Tokyo 0", "Tokyo 23", "New York 0", "New York 23"}
    same_day = {"startDate": day.isoformat(), "endDate": day.isoformat()}
    assert set(await find.names(query="Midnight", **same_day)) == everywhere
    before, after = (day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat()
    assert await find.names(query="Midnight", startDate=before, endDate=before) == []
    assert await find.names(query="Midnight", startDate=after, endDate=after) == []


async def test_a_moment_is_the_same_moment_at_each_venue(find: Finder, programme: Programme) -> None:
    day = (programme.clock.now() + timedelta(days=5)).date()
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).isoformat()
    assert set(await find.names(query="Midnight", startDate=noon)) == {"Tokyo 23", "New York 23"}
    assert set(await find.names(query="Midnight", endDate=noon)) == {"Tokyo 0", "New York 0"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"seatsTogether": 4}, {"cheap", "wide"}),
        ({"seatsTogether": 4, "maxPrice": 1500}, {"wide"}),
        ({"seatsTogether": 2, "maxPrice": 1000}, {"cheap"}),
        ({"maxPrice": 999}, {"cheap"}),
        ({"maxPrice": 900}, {"cheap"}),
        ({"maxPrice": 899}, set()),
        ({"seatType": "wheelchair"}, {"wheelchair"}),
        ({"seatType": "wheelchair", "seatsTogether": 3}, set()),
        ({"seatType": "standard", "seatsTogether": 3}, {"wide"}),
        ({"availableOnly": "true"}, {"cheap", "wide", "wheelchair"}),
    ],
)
async def test_seats_that_are_wanted_together_must_be_the_same_seats(
    find: Finder, wanted: dict[str, Any], found: set[str]
) -> None:
    assert set(await find.names(venueId="venue-Seat Palace", **wanted)) == found


async def test_price_order_begins_with_the_cheapest_free_seat(find: Finder) -> None:
    body = await find.answer(venueId="venue-Seat Palace", sort="price", availableOnly=True)
    assert [item["price"]["from"] for item in body["items"]] == [900, 1400, 1500]


async def test_soonest_order_follows_the_time(find: Finder) -> None:
    body = await find.answer(venueId="venue-Le Champo", sort="soonest", limit=50)
    times = [datetime.fromisoformat(item["startsAt"]) for item in body["items"]]
    assert times == sorted(times)
    assert len(times) == len(TITLES) + 1


async def test_lists_are_read_with_and_without_brackets(find: Finder, client: httpx2.AsyncClient) -> None:
    plain = await client.get(f"{PATH}?genre=horror&genre=crime&venueId=venue-Le%20Champo")
    brackets = await client.get(f"{PATH}?genre[]=horror&genre%5B%5D=Crime&venueId=venue-Le%20Champo")
    ids = [[item["showtimeId"] for item in answer.json()["items"]] for answer in (plain, brackets)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2
    assert (await find.answer(query="Paging[]=x"))["interpretedAs"]["words"] == "Paging[]=x"
    raw = await client.get(f"{PATH}?query=Paging[]=x")
    assert raw.json()["interpretedAs"]["words"] == "Paging[]=x"


async def test_facet_counts_ignore_their_own_choice(find: Finder) -> None:
    body = await find.answer(venueId="venue-Le Champo", genre="Horror", facets="genre,category,city")
    genres = {facet["value"]: facet["count"] for facet in body["facets"]["genre"]}
    assert genres["Horror"] == 1
    assert genres["Science Fiction"] == 4
    assert body["facets"]["category"] == [{"value": "movie", "count": 1}]
    assert body["total"]["value"] == len(body["items"]) == 1
    every = (await find.answer(facets="true", lat=ISLAND[0], lon=ISLAND[1]))["facets"]
    assert set(every) == {
        *("category", "genre", "language", "certificate", "city", "venue", "day", "price", "distance"),
    }
    assert every["distance"] == [{"value": "5-10km", "from": 5000, "to": 10000, "count": 4}, every["distance"][1]]
    assert {day["count"] for day in every["day"]} == {8}
    assert [venue["count"] for venue in every["venue"]] == [1] * 8
    assert sum(band["count"] for band in every["price"]) == 8


@pytest.mark.parametrize(
    "order", [{"sort": "soonest"}, {"sort": "relevance"}, {"sort": "price"}, {"sort": "distance", "near": "Suva"}]
)
async def test_pages_neither_repeat_nor_skip_any_of_300_hits(
    find: Finder, client: httpx2.AsyncClient, order: dict[str, Any]
) -> None:
    seen: list[str] = []
    params: dict[str, Any] = {"query": "Paging", "limit": 37, **order}
    answer = await client.get(PATH, params=params)
    while True:
        body = answer.json()
        seen += [item["showtimeId"] for item in body["items"]]
        if body["nextCursor"] is None:
            assert "link" not in answer.headers
            break
        assert f"cursor={body['nextCursor']}" in answer.headers["link"]
        answer = await client.get(PATH, params={**params, "cursor": body["nextCursor"]})
    assert len(seen) == len(set(seen)) == 310


async def test_grouped_by_event_each_event_comes_once_with_its_next_showtimes(find: Finder) -> None:
    first = await find.answer(groupBy="event", limit=8)
    second = await find.answer(groupBy="event", limit=100, cursor=first["nextCursor"])
    events = [item["event"]["eventId"] for item in [*first["items"], *second["items"]]]
    assert len(events) == len(set(events)) == first["total"]["value"]
    [paging] = [item for item in [*first["items"], *second["items"]] if item["event"]["name"] == "Paging"]
    assert paging["showtimeCount"] == 310
    assert len(paging["showtimes"]) == 3


async def test_pages_show_the_moment_of_the_first_though_the_index_changes(find: Finder, programme: Programme) -> None:
    first = await find.answer(query="Paging", limit=100, sort="soonest")
    programme.clock.advance(timedelta(hours=1))
    try:
        second = await find.answer(query="Paging", limit=100, sort="soonest", cursor=first["nextCursor"])
    finally:
        programme.clock.advance(timedelta(hours=-1))
    seen = [item["showtimeId"] for item in [*first["items"], *second["items"]]]
    assert len(set(seen)) == 200


@pytest.mark.parametrize(
    ("typed", "parts", "names"),
    [
        ("dune zürich", {"words": "dune", "place": "Zürich"}, {"zurich"}),
        ("Dune in Zuerich tomorrow", {"words": "Dune", "place": "Zürich", "time": "tomorrow"}, {"zurich"}),
        ("tomorrow dune, paris", {"words": "dune", "time": "tomorrow", "place": "Paris"}, {"Dune", "Dune: Part Two"}),
        ("shows in Nadi under 10 €", {"place": "Nadi", "price": "1000"}, {"cheap"}),
        ("4 together in Nadi under 15 €", {"party": "4", "place": "Nadi", "price": "1500"}, {"wide"}),
    ],
)
async def test_one_box_is_understood_and_says_how(
    find: Finder, typed: str, parts: dict[str, str], names: set[str]
) -> None:
    body = await find.answer(query=typed)
    assert {part["kind"]: part["value"] for part in body["interpretedAs"]["parts"]} == parts
    assert set(await find.names(query=typed)) == names


@pytest.mark.parametrize("seats", [{"availableOnly": True}, {"seatsTogether": 2}, {"seatType": "standard"}])
async def test_only_what_is_on_sale_now_has_seats_to_be_had(find: Finder, seats: dict[str, Any]) -> None:
    everything = await find.answer(venueId="venue-Kiosk", limit=10)
    statuses = sorted(item["onSale"]["status"] for item in everything["items"])
    assert statuses == ["ended", "later", "open"]
    assert await find.names(venueId="venue-Kiosk", **seats) == ["sale on"]


async def test_a_distance_may_be_chosen_around_a_place_that_the_words_say(
    find: Finder, client: httpx2.AsyncClient
) -> None:
    everything = {"query": "shows in nadi", "facets": "distance"}
    rings = (await find.answer(**everything))["facets"]["distance"]
    for ring in rings:
        found = await find.answer(**everything, distance=f"{ring['to']}m")
        assert found["total"]["value"] == sum(inner["count"] for inner in rings if inner["to"] <= ring["to"])
    assert rings
    for nowhere in ({"query": "dune", "distance": "1km"}, {"query": "dune", "sort": "distance"}, {"distance": "1km"}):
        assert (await client.get("/api/v1/search/shows", params=nowhere)).status_code == 422


@pytest.mark.parametrize("seats", [{}, {"seatsTogether": 2}, {"seatsTogether": 4}, {"seatType": "premium"}])
async def test_a_price_band_counts_what_a_limit_finds(find: Finder, seats: dict[str, Any]) -> None:
    asked = {"venueId": "venue-Seat Palace", **seats}
    bands = (await find.answer(**asked, facets="price"))["facets"]["price"]
    for band in bands:
        if band["to"] is not None:
            cheaper = sum(one["count"] for one in bands if one["to"] is not None and one["to"] <= band["to"])
            assert (await find.answer(**asked, maxPrice=band["to"] - 1))["total"]["value"] == cheaper
    assert bands


async def test_a_city_where_nothing_is_on_is_not_taken_for_a_word_like_it(find: Finder) -> None:
    body = await find.answer(query="dunedin")
    assert body["items"] == []
    assert body["interpretedAs"]["place"]["name"] == "Dunedin"
    assert {miss["kind"] for miss in body["nearMisses"]} == {"wider"}


async def test_what_was_understood_can_be_undone(find: Finder) -> None:
    assert (await find.answer(query="dune zurich", asTyped="true"))["interpretedAs"]["parts"] == []
    body = await find.answer(query="dune zurich tomorrow", asTyped="time")
    assert "time" not in {part["kind"] for part in body["interpretedAs"]["parts"]}


async def test_a_title_that_says_a_place_or_a_day_is_a_title(find: Finder) -> None:
    body = await find.answer(query="Star Wars")
    assert body["interpretedAs"]["parts"] == []
    assert body["items"][0]["event"]["name"] == "Star Wars"


async def test_a_place_understood_stays_so_on_the_next_page(find: Finder) -> None:
    first = await find.answer(query="shows in Suva", limit=60)
    second = await find.answer(query="shows in Suva", limit=60, cursor=first["nextCursor"])
    assert {item["venue"]["city"] for item in second["items"]} == {"Suva"}
    assert not {item["showtimeId"] for item in first["items"]} & {item["showtimeId"] for item in second["items"]}


async def test_a_day_has_a_name_and_is_the_one_at_the_venue(find: Finder, programme: Programme) -> None:
    named = {item["showtimeId"] for item in (await find.answer(startDate="tomorrow", limit=100))["items"]}
    assert programme.ids["zurich"] in named
    assert await find.names(query="Dune", startDate="today") == []
    assert await find.names(query="Midnight", startDate="today", endDate="next-week") != []
    assert await find.names(query="Midnight", startDate="tomorrow") == []


async def test_where_nothing_is_found_it_says_what_is_near(find: Finder) -> None:
    body = await find.answer(query="Dune", lat=47.3662, lon=9.0, distance="10km")
    assert body["items"] == []
    wider = body["nearMisses"][0]
    assert (wider["kind"], wider["parameters"], wider["count"]) == ("wider", {"distance": "40km"}, 1)
    assert 30_000 < wider["distanceMeters"] < 40_000
    later = (await find.answer(query="Dune", startDate="today"))["nearMisses"]
    assert [(miss["kind"], miss["count"]) for miss in later] == [("later", 3)]
    dear = await find.answer(venueId="venue-Seat Palace", seatsTogether=4, maxPrice=100)
    assert {miss["kind"] for miss in dear["nearMisses"]} == {"price"}
    assert (await find.answer(query="Dune"))["nearMisses"] == []


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "Dune", "lat": 47.3662, "lon": 9.0, "distance": "10km"},
        {"query": "Dune", "lat": 47.3662, "lon": 8.557, "distance": "100m"},
        {"query": "Dune", "startDate": "today"},
        {"query": "Dune", "startDate": "2020-01-01", "endDate": "today"},
        {"query": "dune paris today"},
        {"query": "4 together in Nadi under 1 €"},
        {"query": "seats nadi within 5 km", "seatType": "balcony"},
        {"query": "dune under 1 €", "near": "Zürich"},
    ],
)
async def test_the_parameters_of_a_near_miss_find_what_it_counts(find: Finder, asked: dict[str, Any]) -> None:
    body = await find.answer(**asked)
    assert body["items"] == []
    for miss in body["nearMisses"]:
        changed = {name: value for name, value in {**asked, **miss["parameters"]}.items() if value is not None}
        found = await find.answer(**changed)
        assert found["total"]["value"] == miss["count"], (miss, changed)
    assert body["nearMisses"]


async def test_the_price_of_the_wanted_seats_is_told_and_ordered_by(find: Finder) -> None:
    body = await find.answer(venueId="venue-Seat Palace", seatsTogether=4, sort="price")
    assert [item["fittingPrice"] for item in body["items"]] == [1500, 2500]
    body = await find.answer(venueId="venue-Seat Palace", seatType="standard", sort="price")
    assert [item["fittingPrice"] for item in body["items"]] == [900, 1400, 1500]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fune", "Dune"),
        ("yodfather", "The Godfather"),
        ("the fodfather", "The Godfather"),
        ("zodfather dnue", "godfather dune"),
        ("wxyzzy", None),
        ("a", None),
        ("!!", None),
    ],
)
async def test_words_that_nothing_has_are_answered_with_those_most_alike(
    find: Finder, typed: str, meant: str | None
) -> None:
    body = await find.answer(query=typed, lat=80, lon=0, distance="1km")
    assert (body["items"], body["didYouMean"]) == ([], meant)


@pytest.mark.parametrize("typed", ["godfathers", "sci-fi", "scifi"])
async def test_plurals_and_other_words_for_the_same_are_found(find: Finder, typed: str) -> None:
    body = await find.answer(query=typed)
    assert body["items"]
    assert body["interpretedAs"]["match"] == "all"
