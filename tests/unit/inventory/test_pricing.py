"""What seats cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory_service.domain.layout import Layout
from inventory_service.domain.pricing import (
    Price,
    PromoCodeNotApplicable,
    Purchase,
    UnknownPromoCode,
    quote,
    seat_prices,
)
from messaging.events import Pricing
from tests.unit.inventory.halls import hall, sections

# 19:30 in Vienna.
EVENING = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
# 16:59 and 17:00 in Vienna.
JUST_MATINEE, JUST_NOT = datetime(2026, 11, 21, 15, 59, tzinfo=UTC), datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HALL = hall(10)


def price_of(
    seats: int | list[str],
    tiers: dict[str, int],
    promotions: list[dict[str, Any]] | None = None,
    *,
    layout: Layout = HALL,
    fee: int = 0,
    starts_at: datetime = EVENING,
    code: str | None = None,
    now: datetime = NOW,
) -> Price:
    ids = [f"A{n}" for n in range(1, seats + 1)] if isinstance(seats, int) else seats
    pricing = Pricing(currency="EUR", tiers=tiers, fee=fee)
    return quote(
        layout,
        layout.mask(ids),
        pricing,
        promotions or [],
        Purchase(starts_at, "Europe/Vienna", now, code),
    )


def test_without_promotions_a_price_is_its_tickets_and_one_fee() -> None:
    price = price_of(2, {"standard": 1_250}, fee=150)
    assert [line.amount for line in price.lines] == [1_250, 1_250]
    assert (price.fee, price.discounts, price.total) == (150, [], 2_650)


def test_lines_name_row_and_seat() -> None:
    (line,) = price_of(["A7"], {"standard": 500}).lines
    assert (line.seat_id, line.label, line.seat_type, line.section) == ("A7", "A7", "standard", "Stalls")


def test_the_tier_of_a_section_wins_over_the_tier_of_the_type() -> None:
    layout = sections(("stalls", "standard", [2]), ("balcony", "standard", [2]))
    pricing = Pricing(currency="EUR", tiers={"standard": 1_000, "balcony": 600})
    assert seat_prices(layout, pricing) == [1_000, 1_000, 600, 600]


def test_a_free_section_is_free_though_its_type_has_a_price() -> None:
    layout = sections(("stalls", "standard", [1]), ("lawn", "standard", [1]))
    assert seat_prices(layout, Pricing(currency="EUR", tiers={"standard": 1_000, "lawn": 0})) == [1_000, 0]


def test_a_matinee_takes_a_fifth_off_every_ticket_but_not_off_the_fee() -> None:
    price = price_of(2, {"standard": 1_000}, [{"kind": "matinee"}], fee=100, starts_at=JUST_MATINEE)
    assert [cut.amount for cut in price.discounts] == [-400]
    assert price.total == 1_700


def test_the_matinee_ends_at_five_on_the_clock_of_the_venue() -> None:
    assert price_of(1, {"standard": 1_000}, [{"kind": "matinee"}], starts_at=JUST_NOT).discounts == []


def test_a_matinee_may_have_its_own_end_and_percentage() -> None:
    promotion = {"kind": "matinee", "before": "20:00", "percent": 10}
    assert price_of(1, {"standard": 1_000}, [promotion]).total == 900


@pytest.mark.parametrize(("tickets", "total"), [(1, 1_000), (2, 2_000), (3, 2_500), (5, 4_500), (6, 5_000)])
def test_every_third_ticket_is_half_price(tickets: int, total: int) -> None:
    assert price_of(tickets, {"standard": 1_000}, [{"kind": "third-ticket"}]).total == total


def test_the_third_ticket_that_is_reduced_is_the_cheapest() -> None:
    layout = sections(("stalls", "vip", [2]), ("balcony", "standard", [1]))
    price = price_of(["A1", "A2", "B1"], {"vip": 3_000, "standard": 800}, [{"kind": "third-ticket"}], layout=layout)
    assert [cut.amount for cut in price.discounts] == [-400]


def test_a_code_works_in_either_case_and_only_for_who_gives_it() -> None:
    promotions = [{"kind": "code", "code": "Spring26", "percent": 25}]
    assert price_of(1, {"standard": 1_000}, promotions, code=" SPRING26 ").total == 750
    assert price_of(1, {"standard": 1_000}, promotions).total == 1_000


def test_an_unknown_code_is_refused_with_its_place() -> None:
    with pytest.raises(UnknownPromoCode) as refused:
        price_of(1, {"standard": 1_000}, [{"kind": "code", "code": "A", "percent": 5}], code="B")
    assert refused.value.faults[0][0] == "/promoCode"


@pytest.mark.parametrize("kind", [{"kind": "code", "code": "X"}, {"kind": "matinee"}])
def test_a_promotion_holds_from_its_first_to_before_its_last_moment(kind: dict[str, Any]) -> None:
    begins, ends = datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    promotion = {**kind, "percent": 50, "from": begins.isoformat(), "until": ends.isoformat()}
    code = kind.get("code")
    for now, total in ((begins, 500), (ends - timedelta(seconds=1), 500)):
        assert price_of(1, {"standard": 1_000}, [promotion], starts_at=JUST_MATINEE, code=code, now=now).total == total
    for now in (begins - timedelta(seconds=1), ends):
        if code:
            with pytest.raises(PromoCodeNotApplicable, match="at this time"):
                price_of(1, {"standard": 1_000}, [promotion], code=code, now=now)
        else:
            assert price_of(1, {"standard": 1_000}, [promotion], starts_at=JUST_MATINEE, now=now).total == 1_000


def test_a_promotion_may_take_a_number_of_tickets() -> None:
    promotions = [{"kind": "code", "code": "FOUR", "percent": 25, "minTickets": 4}]
    assert price_of(4, {"standard": 1_000}, promotions, code="four").total == 3_000
    with pytest.raises(PromoCodeNotApplicable, match="4 tickets or more"):
        price_of(3, {"standard": 1_000}, promotions, code="four")
    crowd = [{"kind": "matinee", "percent": 10, "minTickets": 2}]
    assert price_of(1, {"standard": 1_000}, crowd, starts_at=JUST_MATINEE).total == 1_000
    assert price_of(2, {"standard": 1_000}, crowd, starts_at=JUST_MATINEE).total == 1_800


def test_of_several_of_a_kind_the_first_that_holds_applies() -> None:
    early = {"kind": "code", "code": "X", "percent": 50, "until": (NOW - timedelta(days=1)).isoformat()}
    late = {"kind": "code", "code": "X", "percent": 10}
    assert price_of(1, {"standard": 1_000}, [early, late], code="x").total == 900


def test_promotions_apply_to_what_those_before_left() -> None:
    promotions: list[dict[str, Any]] = [
        {"kind": "code", "code": "X", "percent": 10},
        {"kind": "third-ticket"},
        {"kind": "matinee", "percent": 20},
    ]
    price = price_of(3, {"standard": 1_000}, promotions, starts_at=JUST_MATINEE, code="x")
    assert [(cut.kind, cut.amount) for cut in price.discounts] == [
        ("matinee", -600),
        ("third-ticket", -400),
        ("code", -200),
    ]
    assert price.total == 1_800


def test_a_discount_that_comes_to_nothing_is_not_listed() -> None:
    assert price_of(1, {"standard": 4}, [{"kind": "matinee"}], starts_at=JUST_MATINEE).discounts == []
