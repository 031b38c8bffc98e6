"""Starting a payment for a held booking."""

from dataclasses import dataclass

from inventory_service.domain.booking import AmountMismatch, Booking, OtherPayment
from inventory_service.handlers.confirm import confirm
from inventory_service.handlers.context import Inventory


@dataclass(frozen=True)
class PreparedPayment:
    """What the buyer's client needs to pay. A booking that costs nothing is confirmed at once and needs none of it."""

    booking: Booking
    payment_id: str | None
    payment_intent: str | None
    client_secret: str | None
    provider: str


async def prepare_payment(
    inventory: Inventory, booking: Booking, amount: int, currency: str, *, retry_declined: bool = False
) -> PreparedPayment:
    """The intent of the booking, the same on a repeat.

    Raises HoldExpired, NotPending, AmountMismatch, GatewayRefused, PaymentClosed.

    With `retry_declined` a declined card does not end the booking: others may be tried until the hold runs out.
    """
    # What costs nothing is confirmed here, or its theatre is asked: a repeat finds it so.
    if booking.amount or not (booking.status == "confirmed" or booking.at_partner):
        booking.require_payable(inventory.now())
    if (amount, currency) != (booking.amount, booking.currency):
        raise AmountMismatch(final_amount=booking.amount, currency=booking.currency)
    if booking.amount == 0:
        return PreparedPayment(await confirm(inventory, booking.id, None), None, None, None, "none")
    payment = await inventory.payments.create(booking, retry_declined=retry_declined)
    attached = await inventory.bookings.attach_payment(booking, payment["paymentId"], inventory.now())
    if attached is None:
        raise OtherPayment
    return PreparedPayment(
        attached, payment["paymentId"], payment["paymentIntent"], payment["clientSecret"], payment["provider"]
    )
