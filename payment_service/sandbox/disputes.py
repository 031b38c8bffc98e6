"""Disputes: chargebacks, which take the money at once, and inquiries, which only may.

What is said as evidence decides: `winning_evidence`, `losing_evidence`, and of an inquiry `escalate_inquiry_evidence`.
"""

from typing import Any

from payment_service.sandbox import params as read
from payment_service.sandbox.cards import CARDS
from payment_service.sandbox.failures import StripeFailure, bad_parameter
from payment_service.sandbox.ledger import Ledger, Object, fresh_id
from payment_service.sandbox.params import Params

UPDATE = frozenset(["evidence", "metadata", "submit"])
SETTLED_SECONDS = 1.0
DUE_SECONDS = 7 * 24 * 3600
FEE = 1500
INQUIRY = {"warning_needs_response", "warning_under_review"}
CHARGEBACK = {"needs_response", "under_review"}
# What becomes of a dispute by its evidence; any other leaves it under review.
VERDICTS = {
    ("warning_under_review", "winning_evidence"): "warning_closed",
    ("warning_under_review", "losing_evidence"): "warning_closed",
    ("warning_under_review", "escalate_inquiry_evidence"): "needs_response",
    ("under_review", "winning_evidence"): "won",
    ("under_review", "losing_evidence"): "lost",
}


def arise(ledger: Ledger, charge: Object) -> None:
    """The buyer's bank objects to a charge, unless its money is back already."""
    objection = CARDS[charge["payment_method"]].objection
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if objection is None or charge["disputed"] or not amount:
        return
    dispute: Object = {
        "id": fresh_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": int(ledger.now()),
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": int(ledger.now()) + DUE_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": objection.inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": objection.reason,
        "status": "warning_needs_response" if objection.inquiry else "needs_response",
    }
    charge["disputed"] = True
    ledger.save(charge)
    ledger.save(dispute, parent=charge["payment_intent"])
    ledger.emit("charge.dispute.created", dispute)
    if not objection.inquiry:
        _withdraw(ledger, dispute)


def update(ledger: Ledger, id_: str, params: Params) -> Object:
    """Give evidence. With `submit` (the default) the bank decides a moment later."""
    dispute = ledger.load("dispute", id_)
    if dispute["status"] not in INQUIRY | CHARGEBACK:
        raise _closed(dispute)
    evidence = params.get("evidence") or {}
    if not isinstance(evidence, dict) or not all(isinstance(each, str) for each in evidence.values()):
        raise bad_parameter("evidence", "Invalid evidence: must be a set of texts")
    dispute["evidence"] |= evidence
    dispute["metadata"] |= read.metadata(params)
    details = dispute["evidence_details"]
    details["has_evidence"] = bool(dispute["evidence"])
    if evidence and (read.flag(params, "submit") or "submit" not in params):
        details["submission_count"] += 1
        dispute["status"] = "warning_under_review" if dispute["status"] in INQUIRY else "under_review"
        ledger.plan("settle", id_, ledger.now() + SETTLED_SECONDS)
    ledger.save(dispute)
    ledger.emit("charge.dispute.updated", dispute)
    return dispute


def close(ledger: Ledger, id_: str) -> Object:
    """Accept that the money is gone."""
    dispute = ledger.load("dispute", id_)
    if dispute["status"] != "needs_response":
        raise _closed(dispute)
    _end(ledger, dispute, "lost")
    return dispute


def settle(ledger: Ledger, dispute: Object) -> None:
    """The bank's verdict on the evidence."""
    verdict = VERDICTS.get((dispute["status"], dispute["evidence"].get("uncategorized_text", "")))
    if verdict == "needs_response":
        dispute |= {"status": verdict, "is_charge_refundable": False, "evidence": {}}
        ledger.save(dispute)
        ledger.emit("charge.dispute.updated", dispute)
        _withdraw(ledger, dispute)
    elif verdict:
        _end(ledger, dispute, verdict)


def appease(ledger: Ledger, charge: Object) -> None:
    """The buyer has all the money back: an inquiry about it comes to nothing."""
    if (dispute := _of_charge(ledger, charge)) and dispute["status"] in INQUIRY:
        _end(ledger, dispute, "warning_closed")


def require_refundable(ledger: Ledger, charge: Object) -> None:
    """Raise Stripe's refusal to give back what a bank has taken back."""
    dispute = _of_charge(ledger, charge)
    if dispute and dispute["status"] in CHARGEBACK | {"lost"}:
        raise StripeFailure(400, f"Charge {charge['id']} has been charged back.", code="charge_disputed")


def list_filter(ledger: Ledger, params: Params) -> str | None:
    """The intent whose disputes are wanted, by its own id or by its charge's."""
    if id_ := read.text(params, "charge"):
        charge = ledger.find("charge", id_)
        return charge["payment_intent"] if charge else ""
    return read.text(params, "payment_intent")


def _of_charge(ledger: Ledger, charge: Object) -> Object | None:
    if not charge["disputed"]:
        return None
    found, _ = ledger.newest(
        "dispute", limit=1, after=None, before=None, created=(0, 10**15), parent=charge["payment_intent"]
    )
    return found[0] if found else None


def _end(ledger: Ledger, dispute: Object, status: str) -> None:
    dispute["status"] = status
    ledger.save(dispute)
    ledger.emit("charge.dispute.closed", dispute)
    if status == "won":
        _move(ledger, dispute, dispute["amount"], fee=0)
        ledger.emit("charge.dispute.funds_reinstated", dispute)


def _withdraw(ledger: Ledger, dispute: Object) -> None:
    _move(ledger, dispute, -dispute["amount"], fee=FEE)
    ledger.emit("charge.dispute.funds_withdrawn", dispute)


def _move(ledger: Ledger, dispute: Object, amount: int, *, fee: int) -> None:
    movement: dict[str, Any] = {
        "id": fresh_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "created": int(ledger.now()),
        "currency": dispute["currency"],
        "fee": fee,
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": dispute["id"],
        "status": "available",
        "type": "adjustment",
    }
    dispute["balance_transactions"].append(movement)
    ledger.save(dispute)


def _closed(dispute: Object) -> StripeFailure:
    return StripeFailure(400, f"This dispute has a status of {dispute['status']} and can't be changed that way.")
