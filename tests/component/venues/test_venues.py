"""Venues over HTTP."""

import asyncio

import pytest

from tests.component.venues.catalogue import Catalogue, pointers


async def test_a_venue_gets_its_place_country_and_time_zone_from_its_address(catalogue: Catalogue) -> None:
    venue = await catalogue.venue(name="Le Grand Rex", city="Paris", address={"country": "France"})
    assert venue["country"] == "FR"
    assert venue["timezone"] == "Europe/Paris"
    assert venue["location"] == pytest.approx({"lat": 48.85, "lon": 2.35}, abs=0.05)
    assert venue["address"] == {"street": "", "district": "", "state": "", "postalCode": "", "country": "France"}


async def test_a_location_alone_tells_country_and_time_zone(catalogue: Catalogue) -> None:
    venue = await catalogue.venue(city="Eine Gegend", address={}, location={"lat": 52.52, "lon": 13.4})
    assert (venue["country"], venue["timezone"]) == ("DE", "Europe/Berlin")


async def test_what_the_admin_states_wins_over_what_follows(catalogue: Catalogue) -> None:
    stated = {"country": "gb", "timezone": "Asia/Tokyo", "location": {"lat": 10, "lon": 20.5}}
    venue = await catalogue.venue(**stated)
    assert (venue["country"], venue["timezone"]) == ("GB", "Asia/Tokyo")
    assert venue["location"] == {"lat": 10.0, "lon": 20.5}


async def test_an_address_that_nobody_finds_is_refused_at_the_location(catalogue: Catalogue) -> None:
    body = {"name": "Nowhere", "city": "Xyzzyville", "address": {"country": "FR"}}
    assert pointers(await catalogue.send("POST", "/venue", body)) == {"/location"}
    assert await catalogue.database["venues"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"country": "XX"}, "/country"),
        ({"address": {"country": "ZZ"}}, "/address/country"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"location": {"lat": 91, "lon": 0}}, "/location/lat"),
        ({"location": {"lat": 0, "lon": -180.5}}, "/location/lon"),
        ({"location": {"lat": "1", "lon": 0}}, "/location/lat"),
        ({"location": {"lat": 1}}, "/location/lon"),
        ({"name": "  "}, "/name"),
        ({"name": "n" * 201}, "/name"),
        ({"name": {"$gt": ""}}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"city": "a\u202eb"}, "/city"),
        ({"surprise": 1}, "/surprise"),
        ({"address": {"town": "x"}}, "/address/town"),
        ({"imageUrls": ["javascript:alert(1)"]}, "/imageUrls/0"),
        ({"partner": {"$where": "1"}}, "/partner"),
        ({"partner": {"a.b": 1}}, "/partner"),
        ({"partner": {"a": {"b": {"c": {"d": {"e": {}}}}}}}, "/partner"),
        ({"partner": {"a": 2**70}}, "/partner"),
        ({"partner": {"a": "x" * 9_000}}, "/partner"),
        ({"partner": {"adapter": "http"}}, "/partner"),
        ({"partner": {"adapter": "soap", "id": "burg"}}, "/partner"),
        ({"partner": {"adapter": "http", "id": "../burg"}}, "/partner"),
        ({"partner": {"adapter": "http", "id": 1}}, "/partner"),
        ({"partner": {"adapter": "http", "id": "burg", "url": "https://burg.example"}}, "/partner"),
        ({"refundPolicy": {"rules": [{"hoursBefore": -1, "percent": 50}]}}, "/refundPolicy/rules/0/hoursBefore"),
        ({"refundPolicy": {"rules": [{"hoursBefore": 1, "percent": 101}]}}, "/refundPolicy/rules/0/percent"),
        ({"refundPolicy": {"rules": [{"hoursBefore": 1}]}}, "/refundPolicy/rules/0/percent"),
        ({"refundPolicy": {"rules": [{"hoursBefore": 1, "percent": 5}] * 2}}, "/refundPolicy"),
        (
            {"refundPolicy": {"rules": [{"hoursBefore": 24, "percent": 50}, {"hoursBefore": 2, "percent": 60}]}},
            "/refundPolicy",
        ),
        ({"refundPolicy": {"keepFee": "yes"}}, "/refundPolicy/keepFee"),
        ({"refundPolicy": {"days": 1}}, "/refundPolicy/days"),
    ],
)
async def test_a_faulty_field_is_named(catalogue: Catalogue, fields: dict[str, object], at: str) -> None:
    body = {"name": "V", "city": "Paris", "address": {"country": "FR"}, **fields}
    assert pointers(await catalogue.send("POST", "/venue", body)) == {at}


async def test_one_name_per_city_however_it_is_spelled(catalogue: Catalogue) -> None:
    first = await catalogue.venue(name="Théâtre  de l'Œuvre", city="Paris")
    for spelling in ("THEATRE DE L'OEUVRE", "\uff34héâtre de l'œuvre", " théâtre\u00a0de l'Œuvre "):
        again = await catalogue.send(
            "POST", "/venue", {"name": spelling, "city": "PARIS", "address": {"country": "FR"}}
        )
        assert again.status_code == 409
        assert again.json()["type"].endswith("/venue-name-taken")
        assert again.json()["venueId"] == first["venueId"]
    elsewhere = await catalogue.venue(name="Theatre de l'Oeuvre", city="Lyon")
    assert elsewhere["venueId"] != first["venueId"]


async def test_of_20_who_take_one_name_at_once_one_gets_it(catalogue: Catalogue) -> None:
    body = {"name": "Rex", "city": "Paris", "address": {"country": "FR"}}
    answers = await asyncio.gather(*(catalogue.send("POST", "/venue", body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    (made,) = [answer.json()["venueId"] for answer in answers if answer.status_code == 201]
    assert {answer.json()["venueId"] for answer in answers} == {made}


async def test_the_same_idempotency_key_gives_the_same_venue(catalogue: Catalogue) -> None:
    body = {"name": "Rex", "city": "Paris", "address": {"country": "FR"}}
    first = await catalogue.send("POST", "/venue", body, idempotency_key="k1")
    again = await catalogue.send("POST", "/venue", body, idempotency_key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    other = await catalogue.send("POST", "/venue", {**body, "name": "Max"}, idempotency_key="k1")
    assert other.status_code == 422


async def test_writes_need_an_admin(catalogue: Catalogue) -> None:
    body = {"name": "Rex", "city": "Paris", "address": {"country": "FR"}}
    assert (await catalogue.client.post("/api/v1/venue", json=body)).status_code == 401
    for role in ("guest", "user", "service"):
        headers = catalogue.mint.headers(role)
        assert (await catalogue.client.post("/api/v1/venue", json=body, headers=headers)).status_code == 403


async def test_a_reader_who_has_the_version_gets_304(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}"
    first = await catalogue.get(path)
    assert first.json() == venue
    assert first.headers["etag"] == '"1"'
    assert (await catalogue.get(path, if_none_match='"1"')).status_code == 304
    assert (await catalogue.get(path, if_none_match='"0"')).status_code == 200


async def test_unknown_venues_are_404(catalogue: Catalogue) -> None:
    for venue_id in ("nope", "%00", "a.b", "$gt", "x" * 500):
        assert (await catalogue.get(f"/venue/{venue_id}")).status_code == 404
        assert (await catalogue.send("PATCH", f"/venue/{venue_id}", {"name": "x"})).status_code == 404
        assert (await catalogue.send("DELETE", f"/venue/{venue_id}")).status_code == 404


async def test_a_patch_changes_what_it_names_and_raises_the_version(catalogue: Catalogue) -> None:
    venue = await catalogue.venue(imageUrls=["https://example.com/a.jpg"], partner={"name": "P"})
    path = f"/venue/{venue['venueId']}"
    changed = await catalogue.send("PATCH", path, {"name": "New", "partner": None, "address": {"street": "Rue 1"}})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    address = {**venue["address"], "street": "Rue 1"}
    assert changed.json() == {**venue, "version": 2, "name": "New", "partner": None, "address": address}
    assert (await catalogue.get(path)).json() == changed.json()


async def test_a_refund_policy_is_kept_from_its_earliest_rule_and_goes_with_a_null(catalogue: Catalogue) -> None:
    rules = [{"hoursBefore": 2, "percent": 50}, {"hoursBefore": 24, "percent": 100}]
    venue = await catalogue.venue(refundPolicy={"rules": rules, "keepFee": True})
    assert venue["refundPolicy"] == {"rules": rules[::-1], "keepFee": True}
    path = f"/venue/{venue['venueId']}"
    changed = await catalogue.send("PATCH", path, {"refundPolicy": {"rules": rules[:1]}})
    assert changed.json()["refundPolicy"] == {"rules": rules[:1], "keepFee": True}
    gone = await catalogue.send("PATCH", path, {"refundPolicy": None})
    assert gone.json()["refundPolicy"] == {"rules": [], "keepFee": False}


async def test_a_venue_stored_before_there_were_policies_has_none(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    await catalogue.database["venues"].update_one({"_id": venue["venueId"]}, {"$unset": {"refundPolicy": ""}})
    assert (await catalogue.get(f"/venue/{venue['venueId']}")).json() == venue


async def test_a_patch_that_changes_nothing_is_no_new_version(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    same = await catalogue.send("PATCH", f"/venue/{venue['venueId']}", {"name": venue["name"]})
    assert same.json() == venue


async def test_what_followed_from_the_city_follows_it_when_it_changes(catalogue: Catalogue) -> None:
    venue = await catalogue.venue(city="Paris", address={})
    patch = {"city": "Tokyo"}
    moved = (await catalogue.send("PATCH", f"/venue/{venue['venueId']}", patch)).json()
    assert (moved["country"], moved["timezone"]) == ("JP", "Asia/Tokyo")
    assert moved["location"]["lon"] == pytest.approx(139.7, abs=0.2)


async def test_a_faulty_patch_is_refused_and_leaves_everything(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}"
    for patch, at in [
        ({"name": None}, "/name"),
        ({"venueId": "x"}, "/venueId"),
        ({"version": 9}, "/version"),
        ({"location": {"lat": 200}}, "/location/lat"),
    ]:
        assert pointers(await catalogue.send("PATCH", path, patch)) == {at}
    deep: dict[str, object] = {}
    for _ in range(200):
        deep = {"a": deep}
    assert (await catalogue.send("PATCH", path, {"partner": deep})).status_code == 422
    assert (await catalogue.get(path)).json() == venue


async def test_a_patch_cannot_take_the_name_of_another(catalogue: Catalogue) -> None:
    first = await catalogue.venue(name="Rex")
    other = await catalogue.venue(name="Max")
    answer = await catalogue.send("PATCH", f"/venue/{other['venueId']}", {"name": "REX"})
    assert answer.status_code == 409
    assert answer.json()["venueId"] == first["venueId"]


async def test_if_match_guards_changes_and_deletion(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}"
    assert (await catalogue.send("PATCH", path, {"name": "A"}, if_match='"7"')).status_code == 412
    assert (await catalogue.send("PATCH", path, {"name": "A"}, if_match='"1"')).status_code == 200
    assert (await catalogue.send("DELETE", path, if_match='"1"')).status_code == 412
    assert (await catalogue.send("DELETE", path, if_match='"2"')).status_code == 204


async def test_two_patches_at_once_are_both_kept(catalogue: Catalogue) -> None:
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}"
    patches = [{"name": "A"}, {"imageUrls": ["https://example.com/x.png"]}]
    await asyncio.gather(*(catalogue.send("PATCH", path, patch) for patch in patches))
    after = (await catalogue.get(path)).json()
    assert (after["name"], after["imageUrls"], after["version"]) == ("A", ["https://example.com/x.png"], 3)


async def test_a_deleted_venue_is_gone_with_its_halls_and_its_name_is_free(catalogue: Catalogue) -> None:
    venue = await catalogue.venue(name="Rex")
    hall = await catalogue.hall(venue["venueId"])
    path = f"/venue/{venue['venueId']}"
    assert (await catalogue.send("DELETE", path)).status_code == 204
    for gone in (path, f"{path}/halls", f"{path}/hall/{hall['hallId']}"):
        assert (await catalogue.get(gone)).status_code == 404
    assert (await catalogue.get("/venues")).json()["items"] == []
    assert (await catalogue.send("DELETE", path)).status_code == 404
    assert (await catalogue.venue(name="Rex"))["venueId"] != venue["venueId"]


async def test_a_venue_with_upcoming_showtimes_cannot_be_deleted(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    path = f"/venue/{stage.venue_id}"
    refused = await catalogue.send("DELETE", path)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/venue-in-use")
    await catalogue.send("DELETE", f"/showtimes/{showtime['showtimeId']}")
    assert (await catalogue.send("DELETE", path)).status_code == 204
    assert (await catalogue.get(f"/showtimes/{showtime['showtimeId']}")).json()["status"] == "cancelled"


async def test_lists_go_page_by_page_in_the_order_of_creation(catalogue: Catalogue) -> None:
    made = [(await catalogue.venue())["venueId"] for _ in range(5)]
    seen: list[str] = []
    path = "/venues?limit=2"
    for _ in range(3):
        answer = await catalogue.get(path)
        seen += [venue["venueId"] for venue in answer.json()["items"]]
        if cursor := answer.json()["nextCursor"]:
            assert answer.headers["link"] == f'</api/v1/venues?limit=2&cursor={cursor}>; rel="next"'
            path = f"/venues?limit=2&cursor={cursor}"
    assert seen == made
    assert "link" not in answer.headers


async def test_lists_by_city_text_and_nearness(catalogue: Catalogue) -> None:
    rex = await catalogue.venue(name="Grand Rex", city="Paris", location={"lat": 48.870, "lon": 2.347})
    opera = await catalogue.venue(name="Opéra (Garnier)", city="Paris", location={"lat": 48.872, "lon": 2.331})
    other = await catalogue.venue(name="Rex", city="Zürich", address={"country": "CH"})

    async def ids(query: str) -> list[str]:
        answer = await catalogue.get(f"/venues?{query}")
        assert answer.status_code == 200, answer.text
        return [venue["venueId"] for venue in answer.json()["items"]]

    assert await ids("city=zurich") == [other["venueId"]]
    assert await ids("text=rex") == [rex["venueId"], other["venueId"]]
    assert await ids("text=opera%20(gar") == [opera["venueId"]]
    assert await ids("text=.*") == []
    assert await ids("near=48.872,2.331&distance=5km") == [opera["venueId"], rex["venueId"]]
    assert await ids("near=48.872,2.331&distance=500m") == [opera["venueId"]]
    assert await ids("near=48.872,2.331&distance=2mi&text=rex") == [rex["venueId"]]
    first = (await catalogue.get("/venues?near=48.872,2.331&limit=1")).json()
    assert await ids(f"near=48.872,2.331&limit=1&cursor={first['nextCursor']}") == [rex["venueId"]]


@pytest.mark.parametrize(
    "query",
    [
        "near=91,0",
        "near=nan,0",
        "near=1",
        "near=1,2&distance=far",
        "near=1,2&distance=-1km",
        "limit=0",
        "limit=101",
        "cursor=%00",
        "cursor=WyJcdWQ4MDAiXQ",
        "near=1,2&cursor=W05hTiwgImEiXQ",
        "text=a%00b",
        "city=%0a%07x",
        "text=" + "x" * 300,
    ],
)
async def test_a_faulty_query_is_422(catalogue: Catalogue, query: str) -> None:
    answer = await catalogue.get(f"/venues?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
