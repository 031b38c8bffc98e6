"""Event → deliveries."""

from messaging.consumer import Subscription
from webhooks_service.handlers.intake import Intake

MOST_AT_ONCE = 100


def subscriptions(intake: Intake) -> list[Subscription]:
    """Payments have a queue of their own: they may have to wait for inventory, and nothing else should."""
    return [
        Subscription("webhooks.events", batch=intake.take, prefetch=MOST_AT_ONCE),
        Subscription("webhooks.payments", handlers={"PaymentRefunded": intake.take_payment}),
    ]
