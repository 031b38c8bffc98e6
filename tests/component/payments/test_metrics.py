"""What the metrics say of webhooks, and of payments and refunds that wait."""

from prometheus_client import REGISTRY

from payment_service.consumers import gauges
from payment_service.store.payments import Store
from service_kit.clock import SystemClock
from tests.component.payments.conftest import House
from tests.component.payments.quiet import Quiet
from tests.component.payments.signing import event, intent, post
from tests.component.payments.test_webhooks import until_done
from tests.unit.payments.samples import payment


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_webhooks_are_counted_by_what_became_of_them(house: House) -> None:
    def counts() -> list[float]:
        received = [
            sample("marquee_webhooks_received_total", outcome=each) for each in ("stored", "repeated", "refused")
        ]
        return [*received, *(sample("marquee_webhooks_applied_total", outcome=each) for each in ("applied", "failed"))]

    opened = await house.open()
    before = counts()
    good, bad = (event("payment_intent.processing", intent(opened, amount=amount)) for amount in (2400, -1))
    for body in (good, good, bad):
        assert (await post(house, body)).status_code == 200
    assert (await post(house, good, "forged")).status_code == 400
    for body in (good, bad):
        await until_done(house, body)
    more = [now - then for now, then in zip(counts(), before, strict=True)]
    # The sandbox may send something of its own meanwhile.
    assert all(counted >= least for counted, least in zip(more, [2, 1, 1, 1, 1], strict=True)), more


async def test_payments_that_are_due_and_refunds_under_way_are_counted(quiet: Quiet) -> None:
    now = quiet.clock.now()
    paid = payment(now, status="completed", reference="pi_1", due_at=now)
    await quiet.store.add(paid, [])
    asked = paid.with_refund("refund-1", 100, "", now)
    assert asked is not None
    await quiet.store.save(asked, [])
    await quiet.store.add(payment(now, due_at=now), [])
    await gauges(Store(quiet.store.payments.database), SystemClock())()
    assert (sample("marquee_payments_due"), sample("marquee_refunds_pending")) == (1, 1)
