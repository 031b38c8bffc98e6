"""What seats cost: computed at hold time, frozen in the booking.

All amounts are integers in minor units. A discount is rounded down to a whole minor unit per ticket, so that the lines,
the discounts and the fee always add up to the total exactly. The fee is per booking.

Promotions of a showtime, in the order in which they apply, each to what the ones before left:
- `matinee`: `percent` (20 by default) off every ticket of a show that starts before `before` (17:00 by default) on the
  venue's own clock;
- `third-ticket`: `percent` (50 by default) off every third ticket, the cheapest ones;
- `code`: `percent` off everything for who gives the code.

Each may hold for holds made in `[from, until)` only, and for `minTickets` or more. `docs/prices.md` tells it to people.
"""

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from inventory_service.domain.bits import positions
from inventory_service.domain.layout import Layout
from messaging.events import Pricing
from service_kit.errors import Conflict, Invalid

MATINEE_ENDS = "17:00"
MATINEE_PERCENT = 20
THIRD_TICKET_PERCENT = 50


class Unpriced(Conflict):
    """`seat_ids`: seats that the showtime has no price for, which is not to say that they are free of charge."""

    slug, title = "unpriced-seats", "Some of these seats have no price"


class UnknownPromoCode(Invalid):
    slug, title = "unknown-promo-code", "This promo code is not valid for this showtime"


class PromoCodeNotApplicable(Invalid):
    slug, title = "promo-code-not-applicable", "This promo code does not apply to this purchase"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What promotions go by beside the seats; `timezone` is the venue's."""

    starts_at: datetime
    timezone: str
    now: datetime
    promo_code: str | None = None


@dataclass(slots=True)
class Line:
    seat_id: str
    label: str
    seat_type: str
    section: str
    amount: int


@dataclass(frozen=True, slots=True)
class Discount:
    """`amount` is negative."""

    kind: str
    description: str
    amount: int


@dataclass(slots=True)
class Price:
    currency: str
    lines: list[Line]
    discounts: list[Discount] = field(default_factory=list)
    fee: int = 0

    @property
    def total(self) -> int:
        return sum([line.amount for line in self.lines]) + sum([cut.amount for cut in self.discounts]) + self.fee

    def as_document(self) -> dict[str, Any]:
        """As a booking keeps it. Written out, since `dataclasses.asdict` takes longer than all else of a hold."""
        return {
            "currency": self.currency,
            "lines": [
                {
                    "seat_id": line.seat_id,
                    "label": line.label,
                    "seat_type": line.seat_type,
                    "section": line.section,
                    "amount": line.amount,
                }
                for line in self.lines
            ],
            "discounts": [
                {"kind": cut.kind, "description": cut.description, "amount": cut.amount} for cut in self.discounts
            ],
            "fee": self.fee,
        }


def class_prices(layout: Layout, pricing: Pricing) -> dict[tuple[str, str], int]:
    """The price of each (section, seat type) of the layout; a tier of the section wins over one of the type."""
    tiers = pricing.tiers
    return {key: tiers[key[0]] if key[0] in tiers else tiers.get(key[1], 0) for key in layout.classes}


def unpriced(layout: Layout, pricing: Pricing) -> list[tuple[str, str]]:
    """Each (section, seat type) of the layout that no tier names."""
    return [key for key in layout.classes if not pricing.tiers.keys() & key]


def seat_prices(layout: Layout, pricing: Pricing) -> list[int]:
    """The price of every seat, by position."""
    prices = class_prices(layout, pricing)
    return [prices[seat.section, seat.seat_type] for seat in layout.seats]


def quote(
    layout: Layout,
    mask: int,
    pricing: Pricing,
    promotions: list[dict[str, Any]],
    purchase: Purchase,
) -> Price:
    """The price of these seats. Raises UnknownPromoCode, PromoCodeNotApplicable, Unpriced."""
    prices = class_prices(layout, pricing)
    lines = []
    for position in positions(mask):
        seat = layout.seats[position]
        if seat.section not in pricing.tiers and seat.seat_type not in pricing.tiers:
            raise Unpriced(seat_ids=[seat.id])
        amount = prices[seat.section, seat.seat_type]
        lines.append(Line(seat.id, f"{seat.row}{seat.label}", seat.seat_type, seat.section_name, amount))
    discounts: list[Discount] = []
    if promotions or purchase.promo_code:
        discounts = _discounts(_applicable(promotions, purchase, len(lines)), [line.amount for line in lines])
    return Price(pricing.currency, lines, discounts, pricing.fee)


def require_valid_code(promotions: list[dict[str, Any]], promo_code: str | None, now: datetime, tickets: int) -> None:
    """Raises UnknownPromoCode; PromoCodeNotApplicable for one that is known but not for now, or not for so few."""
    if not promo_code:
        return
    known = _of_code(promotions, promo_code)
    if not known:
        raise UnknownPromoCode(faults=[("/promoCode", "not valid for this showtime")])
    if not any(_in_time(promotion, now) for promotion in known):
        raise PromoCodeNotApplicable("It is not valid at this time", faults=[("/promoCode", "not valid now")])
    least = min(_least(promotion) for promotion in known if _in_time(promotion, now))
    if tickets < least:
        raise PromoCodeNotApplicable(
            f"It takes {least} tickets or more", faults=[("/promoCode", f"from {least} tickets")]
        )


def _discounts(promotions: list[dict[str, Any]], amounts: list[int]) -> list[Discount]:
    remaining = sorted(amounts)
    discounts = []
    for promotion in promotions:
        remaining, cut = _apply(promotion, remaining)
        if cut:
            discounts.append(Discount(promotion["kind"], _describe(promotion), -cut))
    return discounts


def _applicable(promotions: list[dict[str, Any]], purchase: Purchase, tickets: int) -> list[dict[str, Any]]:
    """Of each kind the first that holds."""
    require_valid_code(promotions, purchase.promo_code, purchase.now, tickets)
    start = purchase.starts_at.astimezone(ZoneInfo(purchase.timezone)).time()
    holding = [p for p in promotions if _in_time(p, purchase.now) and tickets >= _least(p)]
    matinee = [p for p in holding if p["kind"] == "matinee" and start < _limit(p)]
    third = [p for p in holding if p["kind"] == "third-ticket"]
    return [*matinee[:1], *third[:1], *_of_code(holding, purchase.promo_code)[:1]]


def _in_time(promotion: dict[str, Any], now: datetime) -> bool:
    begins, ends = (datetime.fromisoformat(at) if (at := promotion.get(bound)) else None for bound in ("from", "until"))
    return (begins is None or begins <= now) and (ends is None or now < ends)


def _least(promotion: dict[str, Any]) -> int:
    return int(promotion.get("minTickets") or 1)


def has_code(promotions: list[dict[str, Any]], promo_code: str) -> bool:
    return bool(_of_code(promotions, promo_code))


def _of_code(promotions: list[dict[str, Any]], promo_code: str | None) -> list[dict[str, Any]]:
    return [p for p in promotions if p["kind"] == "code" and promo_code and _same(p.get("code"), promo_code)]


def _apply(promotion: dict[str, Any], remaining: list[int]) -> tuple[list[int], int]:
    """What is left of each ticket (ascending) and how much was cut."""
    percent = _percent(promotion)
    reduced = len(remaining) // 3 if promotion["kind"] == "third-ticket" else len(remaining)
    left = [amount - amount * percent // 100 if index < reduced else amount for index, amount in enumerate(remaining)]
    return sorted(left), sum(remaining) - sum(left)


def _percent(promotion: dict[str, Any]) -> int:
    default = {"matinee": MATINEE_PERCENT, "third-ticket": THIRD_TICKET_PERCENT}.get(promotion["kind"], 0)
    return int(promotion.get("percent") or default)


def _limit(promotion: dict[str, Any]) -> time:
    return time.fromisoformat(promotion.get("before") or MATINEE_ENDS)


def _same(code: str | None, given: str) -> bool:
    return code is not None and code.casefold() == given.strip().casefold()


def _describe(promotion: dict[str, Any]) -> str:
    percent = _percent(promotion)
    match promotion["kind"]:
        case "matinee":
            return f"{percent} % off shows before {promotion.get('before') or MATINEE_ENDS}"
        case "third-ticket":
            return f"{percent} % off every third ticket"
        case _:
            return f"{percent} % off with {promotion['code']}"
