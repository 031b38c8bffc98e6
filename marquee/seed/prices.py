"""Prices in the venue's currency: whole minor units, rounded as box offices do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from marquee.seed.draws import draw
from marquee.seed.records import Venue


@dataclass(frozen=True)
class Money:
    """What a cinema and a stage take for a plain seat, the fee, and the step of prices; all in minor units."""

    code: str
    cinema: int
    stage: int
    fee: int
    step: int


EURO = Money("EUR", 1_050, 3_800, 50, 50)
FRANC = Money("CHF", 1_800, 6_500, 100, 100)
CURRENCIES = {
    "FR": EURO,
    "DE": EURO,
    "IT": EURO,
    "AT": EURO,
    "CH": FRANC,
    "LI": FRANC,
    "GB": Money("GBP", 1_150, 3_900, 75, 25),
    "US": Money("USD", 1_500, 8_900, 150, 50),
    "DK": Money("DKK", 11_500, 32_000, 500, 500),
    "AR": Money("ARS", 850_000, 2_600_000, 50_000, 10_000),
    "JP": Money("JPY", 1_900, 6_800, 100, 100),  # the yen has no minor unit
}
OTHER = Money("USD", 1_200, 4_500, 100, 50)
# In hundredths of the plain price.
SEAT_TYPE_PERCENT = {
    "standard": 100,
    "premium": 130,
    "vip": 190,
    "recliner": 150,
    "loveseat": 140,
    "balcony": 85,
    "box": 165,
    "wheelchair": 100,
    "companion": 50,
    "standing": 60,
}
MATINEE_PERCENT, MATINEE_ENDS = 80, 17


def pricing(venue: Venue, seat_types: Iterable[str], starts_at: datetime) -> dict[str, object]:
    """`starts_at` in the venue's zone: matinees are cheaper."""
    money = CURRENCIES.get(venue.country, OTHER)
    plain = money.cinema if venue.kind == "cinema" else money.stage
    dearness = 85 + int(31 * draw(venue.id, "price"))
    matinee = MATINEE_PERCENT if 6 <= starts_at.hour < MATINEE_ENDS else 100
    tiers = {
        kind: max(
            money.step, round(plain * dearness * matinee * SEAT_TYPE_PERCENT[kind] / 1e6 / money.step) * money.step
        )
        for kind in sorted(seat_types)
    }
    return {"currency": money.code, "tiers": tiers, "fee": money.fee}
