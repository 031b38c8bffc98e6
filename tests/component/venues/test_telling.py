"""Every change of the catalogue is told: the event waits in the document and is sent by the worker."""

from typing import Any

import aio_pika

from messaging.envelope import Event, decode, encode
from messaging.topology import Topology
from tests.component.venues.catalogue import Catalogue, layout
from tests.servers.broker import remove_topology
from tests.support import eventually
from venues_service.app import worker
from venues_service.config import Settings


async def _told(catalogue: Catalogue) -> list[Event[Any]]:
    """What waits in all outboxes, each entry readable by any consumer."""
    waiting = []
    for name in ("venues", "halls", "events", "showtimes"):
        async for document in catalogue.database[name].find({}).sort("_id"):
            waiting += [decode(encode(entry)) for entry in document["outbox"]]
    return waiting


async def test_each_change_leaves_its_event_with_the_full_state(catalogue: Catalogue) -> None:
    stage = await catalogue.stage(seat_layout=layout(section="st.alls"))
    showtime = await stage.showtime(catalogue.at(days=1), pricing={"currency": "EUR", "tiers": {"st.alls": 7}})
    await catalogue.send("PATCH", f"/venue/{stage.venue_id}", {"name": "New"})
    await catalogue.send("PATCH", f"/events/{stage.event_id}", {"name": "Newer"})
    hall_path = f"/venue/{stage.venue_id}/hall/{stage.hall_id}"
    await catalogue.send("PUT", f"{hall_path}/layout", layout(seats=9))
    await catalogue.send("PATCH", f"/showtimes/{showtime['showtimeId']}", {"startsAt": catalogue.at(days=2)})
    await catalogue.send("DELETE", f"/showtimes/{showtime['showtimeId']}")
    await catalogue.send("DELETE", f"/events/{stage.event_id}")
    await catalogue.send("DELETE", f"/venue/{stage.venue_id}")
    told = await _told(catalogue)
    assert [(event.type, event.version) for event in told] == [
        ("VenueCreated", 1),
        ("VenueUpdated", 2),
        ("VenueDeleted", 3),
        ("HallCreated", 1),
        ("LayoutPublished", 2),
        ("HallDeleted", 3),
        ("EventCreated", 1),
        ("EventUpdated", 2),
        ("EventDeleted", 3),
        ("ShowtimeCreated", 1),
        ("ShowtimeUpdated", 2),
        ("ShowtimeCancelled", 3),
    ]
    created, updated, cancelled = (event.data for event in told[-3:])
    assert created.pricing.tiers == {"st.alls": 7}
    assert (created.event.version, created.venue.version, created.layout_version) == (1, 1, 1)
    assert (updated.event.name, updated.venue.name) == ("Newer", "New")
    assert (cancelled.status, cancelled.showtime_id) == ("cancelled", showtime["showtimeId"])


async def test_no_answer_shows_what_waits_to_be_sent(catalogue: Catalogue) -> None:
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    for path in (
        f"/venue/{stage.venue_id}",
        "/venues",
        "/venues?near=48.85,2.35",
        f"/venue/{stage.venue_id}/halls",
        f"/venue/{stage.venue_id}/hall/{stage.hall_id}",
        f"/events/{stage.event_id}",
        "/events",
        f"/showtimes/{showtime['showtimeId']}",
        "/showtimes",
        "/cities",
        "/cities/paris/events",
    ):
        answer = await catalogue.get(path)
        assert answer.status_code == 200, path
        for inner in ("outbox", "claim", "fence", "nameKey", "searchKey", "slots", "_id"):
            assert f'"{inner}"' not in answer.text, path


async def test_the_worker_sends_what_waits_and_then_it_waits_no_more(catalogue: Catalogue, settings: Settings) -> None:
    topology = Topology(settings.namespace)
    amqp_url = settings.amqp_url.get_secret_value()
    stage = await catalogue.stage()
    showtime = await stage.showtime(catalogue.at(days=1))
    try:
        async with worker(settings):

            async def waiting() -> int:
                return len(await _told(catalogue))

            await eventually(waiting, until=lambda count: count == 0)
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(topology.queue("inventory.showtimes"))
            message = await queue.get(timeout=5)
            assert decode(message.body).subject == showtime["showtimeId"]
            await message.ack()
    finally:
        await remove_topology(amqp_url, topology)
