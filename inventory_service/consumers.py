"""Events that inventory follows: showtimes and venues of the catalogue, outcomes of payments."""

from collections.abc import Sequence
from functools import partial

from inventory_service.handlers.cancel import fail, refunded
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import PaymentState, VenueState

SHOWTIMES_A_BATCH = 200
# What is under way together shares its reads and writes.
PAYMENTS_AT_ONCE = 100


def subscriptions(inventory: Inventory) -> Sequence[Subscription]:
    async def payment_succeeded(event: Event[PaymentState]) -> None:
        await confirm(inventory, event.data.booking_id, event.data.payment_id)

    async def payment_failed(event: Event[PaymentState]) -> None:
        await fail(inventory, event.data.booking_id, event.data.payment_id)

    async def payment_refunded(event: Event[PaymentState]) -> None:
        await refunded(inventory, event.data.booking_id, event.data.refunded)

    async def venue_changed(event: Event[VenueState]) -> None:
        await inventory.policies.keep([event.data])

    return [
        Subscription("inventory.venues", handlers={"VenueCreated": venue_changed, "VenueUpdated": venue_changed}),
        Subscription("inventory.showtimes", batch=partial(follow_showtimes, inventory), prefetch=SHOWTIMES_A_BATCH),
        Subscription(
            "inventory.payments",
            handlers={
                "PaymentSucceeded": payment_succeeded,
                "PaymentFailed": payment_failed,
                "PaymentRefunded": payment_refunded,
            },
            prefetch=PAYMENTS_AT_ONCE,
        ),
    ]
