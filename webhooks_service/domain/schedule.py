"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After the first failure so long, after the second so long …; three days in all.
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_TRIES = len(DELAYS) + 1
# Of each delay, to either side: what failed together is not tried again together.
JITTER = 0.2
LONGEST_WAIT = timedelta(hours=24)


def next_delay(tries: int, spread: float, retry_after: timedelta | None = None) -> timedelta | None:
    """How long to wait after `tries` failures; None when that was the last.

    `spread` is a random number from -1 to 1. A receiver may put the next try off by its Retry-After, but neither for
    longer than a day nor to an earlier time than ours.
    """
    if tries >= MOST_TRIES:
        return None
    delay = DELAYS[max(tries, 1) - 1] * (1 + JITTER * spread)
    return max(delay, min(retry_after or timedelta(), LONGEST_WAIT))


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header, in seconds or as a date (RFC 9110); None where it says nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:9]))
    try:
        date = parsedate_to_datetime(value)
        left = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return max(timedelta(), left)
