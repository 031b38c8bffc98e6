"""What seats cost: computed at hold time, frozen in the booking.

All amounts are integers in minor units. A discount is rounded down to a whole minor unit per ticket, so that the lines,
the discounts and the fee always add up to the total exactly. The fee is per booking.

Promotions of a showtime, in the order in which they apply, each to what the ones before left:
- `matinee`: `percent` (20 by default) off every ticket of a show that starts before `before` (17:00 by default) on the
  venue's own clock;
- `third-ticket`: `percent` (50 by default) off every third ticket, the cheapest ones;
- `code`: `percent` off everything for who gives the code.

Each may hold for holds made in `[from, until)` only, for `minTickets` or more, and for tickets of `minAmount` or more
before any discount. `docs/prices.md` tells it to people.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
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
CAP = "cap"


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
    """`amount` is negative. The fields after it are what it takes to work it out again for fewer tickets.

    `promotion` is the one that it is of, as long as it is not frozen.
    """

    kind: str
    description: str
    amount: int = 0
    percent: int = 0
    min_tickets: int = 1
    min_amount: int = 0
    promotion: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def as_document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"kind": self.kind, "description": self.description, "amount": self.amount}
        if self.kind != CAP:
            document["percent"] = self.percent
        if self.min_tickets > 1:
            document["min_tickets"] = self.min_tickets
        if self.min_amount:
            document["min_amount"] = self.min_amount
        return document

    def holds_for(self, amounts: Collection[int]) -> bool:
        """Whether these tickets, at their prices before any discount, reach its minimum."""
        return len(amounts) >= self.min_tickets and sum(amounts) >= self.min_amount


@dataclass(slots=True)
class Price:
    currency: str
    lines: list[Line]
    discounts: list[Discount] = field(default_factory=list)
    fee: int = 0

    @property
    def total(self) -> int:
        return sum([line.amount for line in self.lines]) + sum([cut.amount for cut in self.discounts]) + self.fee

    @property
    def code(self) -> dict[str, Any] | None:
        """The promotion whose code took something off."""
        return next((cut.promotion for cut in self.discounts if cut.kind == "code"), None)

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
            "discounts": [cut.as_document() for cut in self.discounts],
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
        amounts = [line.amount for line in lines]
        discounts = _taken_off(_applicable(promotions, purchase, amounts), amounts)
    return Price(pricing.currency, lines, discounts, pricing.fee)


def price_of_rest(price: dict[str, Any], seat_ids: Collection[str]) -> dict[str, Any]:
    """What a frozen price (`Price.as_document`) becomes when of its seats only these are kept.

    Their lines and the fee stay as they were frozen; the discounts are worked out again by the same rules, and one
    whose minimum the rest does not reach falls away. Where the rest would cost more than all seats did for that, a
    discount of kind `cap` takes the difference off: giving seats back never costs anything.
    """
    kept = frozenset(seat_ids)
    lines = [line for line in price["lines"] if line["seat_id"] in kept]
    amounts = [line["amount"] for line in lines]
    frozen = [Discount(**cut) for cut in price["discounts"] if cut["kind"] != CAP]
    discounts = _taken_off([cut for cut in frozen if cut.holds_for(amounts)], amounts)
    rest = {**price, "lines": lines, "discounts": [cut.as_document() for cut in discounts]}
    beyond = total_of(rest) - total_of(price)
    if beyond > 0:
        rest["discounts"].append(Discount(CAP, "Not more than before", -beyond).as_document())
    return rest


def total_of(price: dict[str, Any]) -> int:
    """The total of a frozen price."""
    return int(sum(part["amount"] for name in ("lines", "discounts") for part in price[name]) + price["fee"])


def require_valid_code(
    promotions: list[dict[str, Any]], promo_code: str | None, now: datetime, tickets: int, amount: int | None = None
) -> None:
    """Raises UnknownPromoCode; PromoCodeNotApplicable for one that is known but not for now, or not for so little.

    `amount`: what the tickets cost before any discount, once that is known.
    """
    if not promo_code:
        return
    known = _of_code(promotions, promo_code)
    if not known:
        raise UnknownPromoCode(faults=[("/promoCode", "not valid for this showtime")])
    current = [promotion for promotion in known if _in_time(promotion, now)]
    if not current:
        raise PromoCodeNotApplicable("It is not valid at this time", faults=[("/promoCode", "not valid now")])
    least = min(_least(promotion) for promotion in current)
    if tickets < least:
        raise PromoCodeNotApplicable(
            f"It takes {least} tickets or more", faults=[("/promoCode", f"from {least} tickets")]
        )
    cheapest = min(_least_amount(promotion) for promotion in current if tickets >= _least(promotion))
    if amount is not None and amount < cheapest:
        raise PromoCodeNotApplicable(
            f"It takes tickets of {cheapest} minor units or more", faults=[("/promoCode", f"from {cheapest} on")]
        )


def codes_in_question(
    promotions: list[dict[str, Any]], promo_code: str | None, now: datetime, tickets: int
) -> list[dict[str, Any]]:
    """The promotions of this code that may hold for so many tickets; which one does is told by what they cost."""
    return [p for p in _of_code(promotions, promo_code) if _in_time(p, now) and tickets >= _least(p)]


def _taken_off(discounts: Iterable[Discount], amounts: list[int]) -> list[Discount]:
    """These discounts with what each takes off such tickets; one that takes nothing off is left out."""
    remaining = sorted(amounts)
    found = []
    for discount in discounts:
        remaining, cut = _apply(discount, remaining)
        if cut:
            found.append(replace(discount, amount=-cut))
    return found


def _applicable(promotions: list[dict[str, Any]], purchase: Purchase, amounts: list[int]) -> list[Discount]:
    """Of each kind the first that holds."""
    require_valid_code(promotions, purchase.promo_code, purchase.now, len(amounts), sum(amounts))
    start = purchase.starts_at.astimezone(ZoneInfo(purchase.timezone)).time()
    holding = [p for p in promotions if _in_time(p, purchase.now) and _discount(p).holds_for(amounts)]
    matinee = [p for p in holding if p["kind"] == "matinee" and start < _limit(p)]
    third = [p for p in holding if p["kind"] == "third-ticket"]
    return [_discount(p) for p in (*matinee[:1], *third[:1], *_of_code(holding, purchase.promo_code)[:1])]


def _discount(promotion: dict[str, Any]) -> Discount:
    return Discount(
        promotion["kind"],
        _describe(promotion),
        percent=_percent(promotion),
        min_tickets=_least(promotion),
        min_amount=_least_amount(promotion),
        promotion=promotion,
    )


def _in_time(promotion: dict[str, Any], now: datetime) -> bool:
    begins, ends = (datetime.fromisoformat(at) if (at := promotion.get(bound)) else None for bound in ("from", "until"))
    return (begins is None or begins <= now) and (ends is None or now < ends)


def _least(promotion: dict[str, Any]) -> int:
    return int(promotion.get("minTickets") or 1)


def _least_amount(promotion: dict[str, Any]) -> int:
    return int(promotion.get("minAmount") or 0)


def has_code(promotions: list[dict[str, Any]], promo_code: str) -> bool:
    return bool(_of_code(promotions, promo_code))


def _of_code(promotions: list[dict[str, Any]], promo_code: str | None) -> list[dict[str, Any]]:
    return [p for p in promotions if p["kind"] == "code" and promo_code and _same(p.get("code"), promo_code)]


def _apply(discount: Discount, remaining: list[int]) -> tuple[list[int], int]:
    """What is left of each ticket (ascending) and how much was cut."""
    reduced = len(remaining) // 3 if discount.kind == "third-ticket" else len(remaining)
    left = [
        amount - amount * discount.percent // 100 if index < reduced else amount
        for index, amount in enumerate(remaining)
    ]
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
