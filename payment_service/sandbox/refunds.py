"""Refunds: full or in parts, never above what was charged."""

from payment_service.sandbox import disputes
from payment_service.sandbox import params as read
from payment_service.sandbox.cards import CARDS
from payment_service.sandbox.failures import StripeFailure, bad_parameter, missing_parameter
from payment_service.sandbox.intents import SLOW_SECONDS
from payment_service.sandbox.ledger import Ledger, Object, fresh_id
from payment_service.sandbox.params import Params

CREATE = frozenset(["payment_intent", "charge", "amount", "reason", "metadata"])
REASONS = {"duplicate", "fraudulent", "requested_by_customer"}


def create(ledger: Ledger, params: Params) -> Object:
    charge = _charge_of(ledger, params)
    asked, reason, metadata = read.amount(params), read.choice(params, "reason", REASONS), read.metadata(params)
    disputes.require_refundable(ledger, charge)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise StripeFailure(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = left if asked is None else asked
    if amount > left:
        raise bad_parameter("amount", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
    outcome = CARDS[charge["payment_method"]].refund
    refund: Object = {
        "id": fresh_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": int(ledger.now()),
        "currency": charge["currency"],
        "failure_reason": None,
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "succeeded" if outcome == "succeeds" else "pending",
    }
    ledger.save(refund, parent=charge["payment_intent"])
    _count(ledger, charge, amount)
    ledger.emit("refund.created", refund)
    ledger.emit("charge.refunded", charge)
    if charge["refunded"]:
        disputes.appease(ledger, charge)
    if outcome != "succeeds":
        ledger.plan("settle", refund["id"], ledger.now() + SLOW_SECONDS)
    return refund


def settle(ledger: Ledger, refund: Object) -> None:
    """The end of a refund that was pending."""
    if refund["status"] != "pending":
        return
    charge = ledger.load("charge", refund["charge"])
    failed = CARDS[charge["payment_method"]].refund == "fails"
    if failed:
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        _count(ledger, charge, -refund["amount"])
    else:
        refund["status"] = "succeeded"
    ledger.save(refund)
    ledger.emit("refund.updated", refund)
    if failed:
        ledger.emit("refund.failed", refund)


def _count(ledger: Ledger, charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    ledger.save(charge)


def _charge_of(ledger: Ledger, params: Params) -> Object:
    if id_ := read.text(params, "charge"):
        charge = ledger.load("charge", id_, "charge")
    elif id_ := read.text(params, "payment_intent"):
        intent = ledger.load("payment_intent", id_, "payment_intent")
        if intent["status"] != "succeeded":
            raise StripeFailure(
                400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            )
        charge = ledger.load("charge", intent["latest_charge"])
    else:
        raise missing_parameter("payment_intent")
    if not charge["captured"]:
        raise StripeFailure(400, f"Charge {charge['id']} was not captured.", code="charge_not_captured")
    return charge
