"""What is true of every price, whatever is bought under whatever promotions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.pricing import Price, Purchase, quote
from messaging.events import Pricing
from tests.unit.inventory.halls import sections

# One seat per section, so that each ticket of a booking may have a price of its own.
HALL = sections(*((f"s{n}", "standard", [1]) for n in range(10)))
# 15:00 in Vienna: a matinee.
AFTERNOON = datetime(2026, 11, 21, 14, tzinfo=UTC)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

Promotion = dict[str, Any]
KINDS: list[Promotion] = [{"kind": "matinee"}, {"kind": "third-ticket"}, {"kind": "code", "code": "GO"}]

amounts = st.lists(
    st.one_of(st.integers(0, 3), st.integers(0, 20_000), st.integers(0, 10**15)), min_size=1, max_size=10
)
percents = st.integers(1, 100)
promotions = st.builds(lambda kind, percent: {**kind, "percent": percent}, st.sampled_from(KINDS), percents)
# With one code at least, so that a code may be given.
promotion_lists = st.builds(
    lambda some, percent: [*some, {"kind": "code", "code": "GO", "percent": percent}],
    st.lists(promotions, max_size=6),
    percents,
)
codes = st.sampled_from([None, "go"])


def price_of(
    tickets: Sequence[int],
    promotions_: list[Promotion],
    *,
    fee: int = 0,
    code: str | None = None,
    starts_at: datetime = AFTERNOON,
) -> Price:
    pricing = Pricing(currency="EUR", tiers={f"s{n}": amount for n, amount in enumerate(tickets)}, fee=fee)
    mask = (1 << len(tickets)) - 1
    return quote(HALL, mask, pricing, promotions_, Purchase(starts_at, "Europe/Vienna", NOW, code))


def first_of_each_kind(promotions_: list[Promotion], code: str | None) -> list[Promotion]:
    kinds = ["matinee", "third-ticket", *(["code"] if code else [])]
    found = [next((one for one in promotions_ if one["kind"] == kind), None) for kind in kinds]
    return [one for one in found if one]


def by_hand(tickets: Sequence[int], applied: list[Promotion]) -> list[int]:
    """What is left of each ticket, one after the other by the rules of docs/prices.md."""
    left = sorted(tickets)
    for promotion in applied:
        reduced = len(left) // 3 if promotion["kind"] == "third-ticket" else len(left)
        cuts = [int(Fraction(amount * promotion["percent"], 100)) for amount in left[:reduced]]
        left = sorted([amount - cut for amount, cut in zip(left[:reduced], cuts, strict=True)] + left[reduced:])
    return left


@given(tickets=amounts, promotions_=promotion_lists, fee=st.integers(0, 10**9), code=codes)
def test_lines_discounts_and_fee_add_up_to_a_total_that_is_not_negative(
    tickets: list[int], promotions_: list[Promotion], fee: int, code: str | None
) -> None:
    price = price_of(tickets, promotions_, fee=fee, code=code)
    document = price.as_document()
    parts = [part["amount"] for name in ("lines", "discounts") for part in document[name]]
    assert price.total == sum(parts) + document["fee"]
    assert fee <= price.total <= sum(tickets) + fee
    assert [line.amount for line in price.lines] == tickets
    assert all(cut.amount < 0 for cut in price.discounts)
    assert all(isinstance(part, int) for part in parts)


@given(tickets=amounts, promotions_=promotion_lists, code=codes)
def test_each_ticket_costs_what_it_does_by_hand_and_none_less_than_nothing(
    tickets: list[int], promotions_: list[Promotion], code: str | None
) -> None:
    left = by_hand(tickets, first_of_each_kind(promotions_, code))
    assert min(left) >= 0
    assert price_of(tickets, promotions_, code=code).total == sum(left)


@given(tickets=amounts, promotions_=promotion_lists, code=codes, data=st.data())
def test_the_order_of_the_list_only_tells_which_is_the_first_of_a_kind(
    tickets: list[int], promotions_: list[Promotion], code: str | None, data: st.DataObject
) -> None:
    by_kind = {kind["kind"]: [one for one in promotions_ if one["kind"] == kind["kind"]] for kind in KINDS}
    turns = data.draw(st.permutations([one["kind"] for one in promotions_]))
    mixed = [by_kind[kind].pop(0) for kind in turns]
    assert price_of(tickets, mixed, code=code) == price_of(tickets, promotions_, code=code)


@given(tickets=amounts, promotions_=promotion_lists, code=codes, data=st.data())
def test_the_order_of_the_seats_does_not_matter(
    tickets: list[int], promotions_: list[Promotion], code: str | None, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(tickets))
    before, after = price_of(tickets, promotions_, code=code), price_of(shuffled, promotions_, code=code)
    assert before.discounts == after.discounts


@given(tickets=st.integers(1, 10), promotions_=promotion_lists)
def test_what_is_free_of_charge_stays_so_without_a_discount(tickets: int, promotions_: list[Promotion]) -> None:
    price = price_of([0] * tickets, promotions_, code="go")
    assert (price.total, price.discounts) == (0, [])


@given(amount=st.integers(0, 10**15), percent=percents, tickets=st.integers(1, 10))
def test_a_discount_is_rounded_down_per_ticket(amount: int, percent: int, tickets: int) -> None:
    price = price_of([amount] * tickets, [{"kind": "matinee", "percent": percent}])
    cut = -sum(one.amount for one in price.discounts)
    assert cut == tickets * (amount * percent // 100)
    assert 0 <= Fraction(amount * percent, 100) * tickets - cut < tickets


@pytest.mark.parametrize("tickets", range(1, 11))
def test_of_n_tickets_a_third_rounded_down_is_reduced_the_cheapest_ones(tickets: int) -> None:
    prices = [1_000 * n for n in range(1, tickets + 1)]
    cut = sum(one.amount for one in price_of(prices, [{"kind": "third-ticket"}]).discounts)
    assert cut == -sum(prices[: tickets // 3]) // 2


# --- the clock at the venue ------------------------------------------------------------------------------------------

# By the law of the European Union: from 01:00 UTC on the last Sunday of March until then on that of October.
SUMMER = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)


def matinee(starts_at: datetime, before: str = "17:00") -> bool:
    return bool(price_of([1_000], [{"kind": "matinee", "before": before}], starts_at=starts_at).discounts)


@pytest.mark.parametrize(
    ("last_matinee", "day"),
    [
        (datetime(2026, 3, 28, 15, 59, tzinfo=UTC), "the day before summer time"),
        (datetime(2026, 3, 29, 14, 59, tzinfo=UTC), "the day it begins"),
        (datetime(2026, 10, 24, 14, 59, tzinfo=UTC), "its last full day"),
        (datetime(2026, 10, 25, 15, 59, tzinfo=UTC), "the day it ends"),
    ],
)
def test_five_o_clock_at_the_venue_is_another_moment_once_the_clocks_have_changed(
    last_matinee: datetime, day: str
) -> None:
    assert matinee(last_matinee), day
    assert not matinee(last_matinee + timedelta(minutes=1)), day


def test_in_the_hour_that_comes_twice_both_times_are_early() -> None:
    first, second = datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert [matinee(at, "02:30") for at in (first, second)] == [True, True]
    assert [matinee(at + timedelta(minutes=15), "02:30") for at in (first, second)] == [False, False]


def around_the_changes(most: timedelta) -> st.SearchStrategy[datetime]:
    return st.builds(lambda change, by: change + by, st.sampled_from(SUMMER), st.timedeltas(-most, most))


@given(
    starts_at=around_the_changes(timedelta(hours=26)) | around_the_changes(timedelta(days=65)),
    before=st.times().map(lambda time: f"{time:%H:%M}"),
)
def test_a_matinee_goes_by_the_clock_at_the_venue_all_year(starts_at: datetime, before: str) -> None:
    ahead = timedelta(hours=2 if SUMMER[0] <= starts_at < SUMMER[1] else 1)
    assert matinee(starts_at, before) == (f"{starts_at + ahead:%H:%M:%S.%f}" < before)
