"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks_service.domain.schedule import DELAYS, MOST_TRIES, next_delay, read_retry_after

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_the_pauses_grow_from_seconds_to_a_day_and_end_after_the_tenth_try() -> None:
    delays = [next_delay(tries, 0) for tries in range(1, MOST_TRIES)]
    assert delays == list(DELAYS)
    assert delays[0] == timedelta(seconds=5)
    assert delays[-1] == timedelta(hours=24)
    assert next_delay(MOST_TRIES, 0) is None
    # So that an endpoint that was away over a weekend has missed nothing.
    assert sum(DELAYS, timedelta()) > timedelta(days=3)


@given(st.integers(1, MOST_TRIES - 1), st.floats(-1, 1))
def test_what_failed_together_is_not_tried_again_together(tries: int, spread: float) -> None:
    delay, middle = next_delay(tries, spread), DELAYS[tries - 1]
    assert delay is not None
    assert middle * 0.8 <= delay <= middle * 1.2


def test_retry_after_puts_off_but_never_hastens_and_never_for_more_than_a_day() -> None:
    assert next_delay(1, 0, timedelta(minutes=2)) == timedelta(minutes=2)
    assert next_delay(4, 0, timedelta(seconds=1)) == DELAYS[3]
    assert next_delay(1, 0, timedelta(days=365)) == timedelta(days=1)
    assert next_delay(MOST_TRIES, 0, timedelta(minutes=2)) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        ("0", timedelta()),
        ("9" * 400, timedelta(seconds=999_999_999)),
        ("Wed, 25 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Wed, 25 Nov 2026 11:00:00 GMT", timedelta()),
        ("-5", None),
        ("١٢", None),
        ("soon", None),
        ("", None),
        ("Wed, 99 Nov 2026 12:01:00 GMT", None),
        ("Wed, 25 Nov 99999999999999999999 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, expected: timedelta | None) -> None:
    assert read_retry_after(value, NOW) == expected
