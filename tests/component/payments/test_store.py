"""Claims on webhook events and on payments: one worker at a time, and never lost with it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from payment_service.domain.payment import Change
from payment_service.domain.reports import IntentReport, WebhookEvent
from payment_service.store.events import WebhookEvents
from payment_service.store.payments import Store
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import open_database
from tests.component.payments.conftest import House
from tests.unit.payments.samples import payment

LEASE = timedelta(seconds=10)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(house: House) -> AsyncIterator[Store]:
    """A database that no worker looks at."""
    async with open_database(house.settings, f"claims_{new_id()[-8:]}") as database:
        store = Store(database)
        await store.prepare()
        yield store


@pytest.fixture
async def events(house: House) -> AsyncIterator[WebhookEvents]:
    """The same of webhook events."""
    async with open_database(house.settings, f"claims_{new_id()[-8:]}") as database:
        events = WebhookEvents(database)
        await events.prepare()
        yield events


async def test_an_event_is_claimed_by_one_worker_until_the_claim_lapses(
    events: WebhookEvents, clock: ManualClock
) -> None:
    assert await events.keep(WebhookEvent("evt_1", "x", "{}"), clock.now())
    (first,) = await events.claim(clock.now(), LEASE, 10)
    assert await events.claim(clock.now(), LEASE, 10) == []
    clock.advance(LEASE)
    (second,) = await events.claim(clock.now(), LEASE, 10)
    assert (second.event, second.tries) == (first.event, 2)


async def test_a_worker_thought_dead_can_not_undo_what_its_successor_did(
    events: WebhookEvents, clock: ManualClock
) -> None:
    await events.keep(WebhookEvent("evt_1", "x", "{}"), clock.now())
    (dead,) = await events.claim(clock.now(), LEASE, 10)
    clock.advance(LEASE)
    (alive,) = await events.claim(clock.now(), LEASE, 10)
    await events.finish(alive, "applied", clock.now())
    await events.retry(dead, clock.now(), "late")
    assert await events.claim(clock.now() + LEASE, LEASE, 10) == []


async def test_workers_that_claim_at_once_share_the_events_and_none_goes_to_two(
    events: WebhookEvents, clock: ManualClock
) -> None:
    ids = [f"evt_{number}" for number in range(40)]
    kept = await asyncio.gather(*(events.keep(WebhookEvent(id_, "x", "{}"), clock.now()) for id_ in ids * 2))
    assert sum(kept) == len(ids)
    claims = await asyncio.gather(*(events.claim(clock.now(), LEASE, 15) for _ in range(8)))
    claims += [await events.claim(clock.now(), LEASE, 40)]
    assert sorted(claimed.event.id for each in claims for claimed in each) == sorted(ids)


async def test_a_change_from_an_old_version_is_refused(store: Store, clock: ManualClock) -> None:
    before = payment(clock.now())
    assert await store.add(before, [])
    success = before.learn(IntentReport("pi_1", "succeeded"), clock.now())
    decline = before.learn(IntentReport("pi_1", "failed"), clock.now())
    assert success is not None
    assert decline is not None
    assert await store.save(success, [])
    assert not await store.save(decline, [])
    assert await store.get(before.id) == success.payment


async def test_a_payment_is_kept_as_it_is_with_its_refunds(store: Store, clock: ManualClock) -> None:
    paid = payment(clock.now(), status="completed", reference="pi_2", client_secret="pi_2_secret")
    assert await store.add(paid, [])
    change = paid.with_refund("refund-1", 100, "why not", clock.now())
    assert isinstance(change, Change)
    assert await store.save(change, [])
    assert await store.get(paid.id) == change.payment
    assert await store.of_booking(paid.booking_id) == change.payment
    assert not await store.add(payment(clock.now(), booking_id=paid.booking_id), [])


async def test_a_payment_that_is_due_is_attended_to_by_one_worker(store: Store, clock: ManualClock) -> None:
    waiting = payment(clock.now(), due_at=clock.now() + LEASE)
    await store.add(waiting, [])
    assert await store.claim_payment(clock.now(), LEASE) is None
    clock.advance(LEASE)
    claimed = await store.claim_payment(clock.now(), LEASE)
    assert claimed is not None
    assert await store.claim_payment(clock.now(), LEASE) is None
    later = clock.now() + 5 * LEASE
    await store.attended(claimed, later)
    assert await store.claim_payment(clock.now() + 4 * LEASE, LEASE) is None
    assert await store.claim_payment(later, LEASE) is not None
