"""Events that inventory follows: showtimes and venues of the catalogue, outcomes of payments, partners' answers."""

from collections.abc import Sequence
from functools import partial

from inventory_service.handlers.cancel import fail, refunded
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.partner import partner_confirmed, partner_refused
from inventory_service.handlers.showtimes import follow_showtimes
from messaging.consumer import Subscription
from messaging.envelope import Event
from messaging.events import PartnerConfirmation, PartnerRefusal, PaymentState, VenueState

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

    async def confirmed_by_partner(event: Event[PartnerConfirmation]) -> None:
        await partner_confirmed(inventory, event.data.booking_id, event.data.ticket_ids)

    async def refused_by_partner(event: Event[PartnerRefusal]) -> None:
        await partner_refused(inventory, event.data.booking_id, event.data.reason)

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
        Subscription(
            "inventory.partners",
            handlers={"PartnerConfirmed": confirmed_by_partner, "PartnerRefused": refused_by_partner},
        ),
    ]
