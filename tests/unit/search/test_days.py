"""Days by name, wherever in the world."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_service.days import DAYS, day_named, zones

WEDNESDAY = datetime(2026, 11, 25, 12, tzinfo=UTC)


def span(name: str, zone: str, now: datetime) -> tuple[str, str]:
    """As it is in `zone`, to the minute."""
    there = zones(name, now)
    found = next((one for one in there if zone in one.names), None) or next(one for one in there if not one.names)
    return found.start.isoformat(timespec="minutes"), found.end.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("today", "2026-11-25T00:00", "2026-11-25T23:59"),
        ("tonight", "2026-11-25T17:00", "2026-11-26T04:00"),
        ("tomorrow", "2026-11-26T00:00", "2026-11-26T23:59"),
        ("this weekend", "2026-11-27T17:00", "2026-11-29T23:59"),
        ("next weekend", "2026-12-04T17:00", "2026-12-06T23:59"),
        ("this week", "2026-11-23T00:00", "2026-11-29T23:59"),
        ("next week", "2026-11-30T00:00", "2026-12-06T23:59"),
        ("wednesday", "2026-11-25T00:00", "2026-11-25T23:59"),
        ("tuesday", "2026-12-01T00:00", "2026-12-01T23:59"),
    ],
)
def test_each_day_is_what_people_mean_by_it(name: str, start: str, end: str) -> None:
    assert span(name, "Europe/London", WEDNESDAY) == (start, end)


def test_a_day_is_the_one_at_the_venue() -> None:
    late = datetime(2026, 11, 25, 20, tzinfo=UTC)
    assert span("today", "Asia/Tokyo", late)[0] == "2026-11-26T00:00"
    assert span("today", "America/New_York", late)[0] == "2026-11-25T00:00"


def test_after_midnight_tonight_is_still_the_night_that_goes_on() -> None:
    assert span("tonight", "UTC", datetime(2026, 11, 26, 3, 59, tzinfo=UTC))[0] == "2026-11-25T17:00"
    assert span("tonight", "UTC", datetime(2026, 11, 26, 4, 0, tzinfo=UTC))[0] == "2026-11-26T17:00"


def test_on_a_sunday_this_weekend_is_the_one_that_ends() -> None:
    assert span("this weekend", "UTC", datetime(2026, 11, 29, 12, tzinfo=UTC))[0] == "2026-11-27T17:00"


@pytest.mark.parametrize("text", ["This-Weekend", "this_weekend", " weekend ", "the weekend"])
def test_a_name_may_be_written_in_several_ways(text: str) -> None:
    assert day_named(text) == "this weekend"
    assert day_named("someday") is None


@given(
    st.sampled_from(sorted(DAYS)),
    st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/St_Johns", "UTC"]),
)
def test_every_zone_has_the_day_of_its_own_date(name: str, now: datetime, zone: str) -> None:
    there = zones(name, now)
    assert len(there) <= 3
    assert sum(not one.names for one in there) == 1
    today: date = (now.astimezone(ZoneInfo(zone)) - DAYS[name].changes).date()
    start = DAYS[name].span(today)[0]
    assert span(name, zone, now)[0] == start.isoformat(timespec="minutes")
    assert start - datetime.combine(today, datetime.min.time()) <= timedelta(days=14)
