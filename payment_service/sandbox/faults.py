"""The fault dial: how webhooks and API calls go wrong on purpose. Its fields are explained in `__main__`."""

import random
import time
from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from service_kit.models import Model

REORDER_WINDOW = 0.5
REORDER_STEP = 0.02
HOUR_MS = 3_600_000

Milliseconds = Annotated[int, Field(strict=True, ge=0, le=HOUR_MS)]
# A whole number: the next so many. A fraction: that share of all. True (or 1.0): all.
Often = StrictBool | Annotated[StrictInt, Field(ge=0)] | Annotated[StrictFloat, Field(ge=0, le=1)]


class Faults(Model):
    delay_ms: Milliseconds = 0
    repeat: Annotated[StrictInt, Field(ge=0, le=20)] | Annotated[StrictFloat, Field(ge=0, le=1)] = 0
    reorder: StrictBool = False
    drop: Often = False
    fail_status: Annotated[int, Field(strict=True, ge=400, le=599)] | None = None
    fail: Often | None = None
    answer_lost: StrictBool = False
    hang_ms: Milliseconds = 0
    hang: Often | None = None


class Dial:
    """The faults that are set. A count goes down by one each time its fault strikes."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._window_ends = 0.0
        self._in_window = 0

    def set(self, faults: Faults) -> None:
        self.faults = faults

    def departures(self, now: float) -> list[float]:
        """When a webhook that arises now is sent: never, once, or several times."""
        if self._strikes("drop"):
            return []
        first = now + self.faults.delay_ms / 1000
        if self.faults.reorder:
            first += self._reversed_place(now)
        return [first] * (1 + self._repeats())

    def failing(self) -> int | None:
        """The status with which this API call is to fail, if it is."""
        set_ = self.faults.fail_status is not None or self.faults.fail is not None
        return (self.faults.fail_status or 500) if set_ and self._strikes("fail", unset=True) else None

    def hanging(self) -> float:
        """For how many seconds this API call is to hang."""
        return self.faults.hang_ms / 1000 if self.faults.hang_ms and self._strikes("hang", unset=True) else 0.0

    def _repeats(self) -> int:
        repeat = self.faults.repeat
        return repeat if isinstance(repeat, int) else int(random.random() < repeat)

    def _reversed_place(self, now: float) -> float:
        """How long to wait so that of the webhooks of one window the last goes first."""
        if now > self._window_ends:
            self._window_ends, self._in_window = now + REORDER_WINDOW, 0
        self._in_window += 1
        return max(0.0, self._window_ends + REORDER_WINDOW - now - self._in_window * REORDER_STEP)

    def _strikes(self, name: str, *, unset: bool = False) -> bool:
        often: bool | int | float | None = getattr(self.faults, name)
        if often is None:
            return unset
        if isinstance(often, bool):
            return often
        if isinstance(often, float):
            return random.random() < often
        if often > 0:
            self.faults = self.faults.model_copy(update={name: often - 1})
        return often > 0


def wall_clock() -> float:
    """Seconds since 1970, as Stripe counts them."""
    return time.time()
