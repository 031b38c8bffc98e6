"""Venues that name a partner theatre."""

from typing import Any

from marquee.venue_audit import without_theatre
from partners_service.domain.partners import Partner, Secret
from partners_service.store.partners import Partners
from service_kit.clock import SystemClock
from tests.component.venues.catalogue import Catalogue
from tests.servers.other_service import OtherService
from venues_service.store.venues import Venues

BURG = {"adapter": "http", "id": "burg"}
NEW = {"name": "Burg", "city": "Paris", "address": {"country": "FR"}}


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_a_venue_may_name_the_theatre_that_confirms_what_is_sold(
    catalogue: Catalogue, partners: OtherService
) -> None:
    partners.known["/api/v1/partners/burg"] = {}
    venue = await catalogue.venue(partner=BURG)
    assert (await catalogue.get(f"/venue/{venue['venueId']}")).json()["partner"] == BURG
    other = await catalogue.venue()
    changed = await catalogue.send("PATCH", f"/venue/{other['venueId']}", {"partner": BURG})
    assert (changed.status_code, changed.json()["partner"]) == (200, BURG)


async def test_a_theatre_that_is_no_partner_is_refused_where_it_is_named(catalogue: Catalogue) -> None:
    assert pointers(await catalogue.send("POST", "/venue", {**NEW, "partner": BURG})) == ["/partner/id"]
    venue = await catalogue.venue()
    path = f"/venue/{venue['venueId']}"
    assert pointers(await catalogue.send("PATCH", path, {"partner": BURG})) == ["/partner/id"]
    assert (await catalogue.get(path)).json() == venue


async def test_a_theatre_can_only_be_named_while_the_partners_can_be_asked(
    catalogue: Catalogue, partners: OtherService
) -> None:
    partners.known["/api/v1/partners/burg"] = {}
    partners.down = True
    assert (await catalogue.send("POST", "/venue", {**NEW, "partner": BURG})).status_code == 503
    venue = await catalogue.venue()
    changed = await catalogue.send("PATCH", f"/venue/{venue['venueId']}", {"partner": BURG})
    assert changed.status_code == 503
    partners.down = False
    assert (await catalogue.send("POST", "/venue", {**NEW, "partner": BURG})).status_code == 201


async def test_a_venue_whose_theatre_has_gone_can_still_be_changed(
    catalogue: Catalogue, partners: OtherService
) -> None:
    partners.known["/api/v1/partners/burg"] = {}
    venue = await catalogue.venue(partner=BURG)
    partners.forget()
    changed = await catalogue.send("PATCH", f"/venue/{venue['venueId']}", {"name": "Akademie"})
    assert (changed.status_code, changed.json()["partner"]) == (200, BURG)
    assert partners.asked == []


async def test_an_import_says_which_venue_names_no_partner(catalogue: Catalogue, partners: OtherService) -> None:
    partners.known["/api/v1/partners/burg"] = {}
    items = [
        {"kind": "venue", "ref": name, **NEW, "name": name, "partner": {"adapter": "http", "id": name}}
        for name in ("burg", "nobody")
    ]
    answer = await catalogue.send("POST", "/catalogue/import", {"items": items})
    assert answer.status_code == 200, answer.text
    known, unknown = answer.json()["items"]
    assert known["status"] == "created"
    assert unknown["status"] == "failed"
    assert "/partner/id" in str(unknown)


async def test_the_venues_of_a_theatre_can_be_listed(catalogue: Catalogue, partners: OtherService) -> None:
    partners.known |= {"/api/v1/partners/burg": {}, "/api/v1/partners/josefstadt": {}}
    mine = await catalogue.venue(partner=BURG)
    await catalogue.venue(partner={"adapter": "http", "id": "josefstadt"})
    await catalogue.venue()
    found = (await catalogue.get("/venues?partnerId=burg")).json()["items"]
    assert [venue["venueId"] for venue in found] == [mine["venueId"]]
    assert (await catalogue.get("/venues?partnerId=nobody")).json()["items"] == []


async def test_the_audit_names_venues_whose_theatre_is_not_there(catalogue: Catalogue, partners: OtherService) -> None:
    partners.known |= {"/api/v1/partners/burg": {}, "/api/v1/partners/gone": {}}
    now = SystemClock().now()
    store = Partners(catalogue.database)
    for partner_id, deleted in (("burg", False), ("gone", True)):
        secrets = (Secret(partner_id, b"sealed", now),)
        await store.add(Partner(partner_id, 1, "X", "https://x.example", 5.0, secrets, now, now, deleted=deleted))
    await catalogue.venue(partner=BURG)
    stranded = await catalogue.venue(partner={"adapter": "http", "id": "gone"})
    (finding,) = await without_theatre(Venues(catalogue.database), store)
    assert stranded["venueId"] in finding
    assert "gone" in finding
