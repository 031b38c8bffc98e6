"""Test payment methods by Stripe's names, and what becomes of an attempt to charge each."""

from dataclasses import dataclass
from typing import Literal

from payment_service.sandbox.failures import bad_parameter


@dataclass(frozen=True)
class Decline:
    """Why an attempt fails: Stripe's `code`, the issuer's `decline_code`, and words for the buyer."""

    code: str
    reason: str | None
    message: str


@dataclass(frozen=True)
class Objection:
    """How a buyer's bank disputes a charge, a moment after it. An `inquiry` takes no money yet."""

    reason: str
    inquiry: bool = False


@dataclass(frozen=True)
class Card:
    """`authenticate`: the buyer must pass 3-D Secure first. `slow`: the charge is processing for a moment."""

    decline: Decline | None = None
    authenticate: bool = False
    slow: bool = False
    refund: Literal["succeeds", "slow", "fails"] = "succeeds"
    objection: Objection | None = None


DECLINED = "Your card was declined."
INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
UNAUTHENTICATED = Decline(
    "payment_intent_authentication_failure",
    None,
    "The buyer did not pass the authentication; give another payment method.",
)
BRANDS = (
    "visa visa_debit mastercard mastercard_debit mastercard_prepaid amex discover diners jcb unionpay "
    "us de fr gb at be ch cz dk es fi ie it nl no pl pt se au jp in sg br mx ca"
)
CARDS: dict[str, Card] = {
    **{f"pm_card_{brand}": Card() for brand in BRANDS.split()},
    "pm_card_chargeDeclined": Card(Decline("card_declined", "generic_decline", DECLINED)),
    "pm_card_visa_chargeDeclined": Card(Decline("card_declined", "generic_decline", DECLINED)),
    "pm_card_chargeDeclinedInsufficientFunds": Card(INSUFFICIENT),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(INSUFFICIENT),
    "pm_card_visa_chargeDeclinedLostCard": Card(Decline("card_declined", "lost_card", DECLINED)),
    "pm_card_visa_chargeDeclinedStolenCard": Card(Decline("card_declined", "stolen_card", DECLINED)),
    "pm_card_chargeDeclinedFraudulent": Card(Decline("card_declined", "fraudulent", DECLINED)),
    "pm_card_chargeDeclinedExpiredCard": Card(Decline("expired_card", None, "Your card has expired.")),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        Decline("incorrect_cvc", None, "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        Decline("processing_error", None, "The card could not be processed. Try again in a little while.")
    ),
    "pm_card_authenticationRequired": Card(authenticate=True),
    "pm_card_threeDSecure2Required": Card(authenticate=True),
    "pm_card_threeDSecureRequired": Card(authenticate=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(INSUFFICIENT, authenticate=True),
    "pm_usBankAccount_success": Card(slow=True),
    "pm_usBankAccount_insufficientFunds": Card(INSUFFICIENT, slow=True),
    "pm_card_pendingRefund": Card(refund="slow"),
    "pm_card_refundFail": Card(refund="fails"),
    "pm_card_createDispute": Card(objection=Objection("fraudulent")),
    "pm_card_createDisputeProductNotReceived": Card(objection=Objection("product_not_received")),
    "pm_card_createDisputeInquiry": Card(objection=Objection("fraudulent", inquiry=True)),
}


def known(name: str) -> str:
    """`name`, where it is a payment method of the sandbox."""
    if name not in CARDS:
        raise bad_parameter("payment_method", f"No such PaymentMethod: '{name[:100]}'", "resource_missing")
    return name
