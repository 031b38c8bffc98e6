"""Which seats the callers of a benchmark ask for: two neighbours at a time, in houses opened beforehand."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

# A house is left once so much of it was asked for or held: an on-sale has long cooled down by then.
SHARE = 0.6


class Ask(NamedTuple):
    """The seats at `first` and `first + 1`."""

    house: str
    first: int


class Asks(Protocol):
    """What to ask for next; None once the houses are used up. `held` is told each time the seats were had."""

    def next(self) -> Ask | None: ...

    def held(self) -> None: ...


def pairs_of(seats: int) -> range:
    """The first seats of all pairs of neighbours. Rows have an even number of seats, so no pair crosses an aisle."""
    return range(0, seats, 2)


class Distinct:
    """Every pair of a house once, in random order: each request gets its seats, whatever the others do."""

    def __init__(self, houses: Sequence[str], pairs: Sequence[int], share: float = SHARE) -> None:
        self._asks = self._all(houses, pairs, int(len(pairs) * share))

    def _all(self, houses: Sequence[str], pairs: Sequence[int], count: int) -> Iterator[Ask]:
        for house in houses:
            for first in random.sample(pairs, count):
                yield Ask(house, first)

    def next(self) -> Ask | None:
        return next(self._asks, None)

    def held(self) -> None:
        pass


class Contended:
    """Any pair of the house, as if nobody could see which are free: about a third is refused."""

    def __init__(self, houses: Sequence[str], pairs: Sequence[int]) -> None:
        self._houses = iter(houses)
        self._house: str | None = next(self._houses, None)
        self._pairs = pairs
        self._left = self._count = int(len(pairs) * SHARE)

    def next(self) -> Ask | None:
        return None if self._house is None else Ask(self._house, random.choice(self._pairs))

    def held(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._house, self._left = next(self._houses, None), self._count


class Scattered:
    """Pairs of many houses, each pair once, at random over all houses: no house is hot."""

    def __init__(self, houses: Sequence[str], pairs: Sequence[int]) -> None:
        asks = [Ask(house, first) for house in houses for first in pairs]
        random.shuffle(asks)
        self._asks = iter(asks)

    def next(self) -> Ask | None:
        return next(self._asks, None)

    def held(self) -> None:
        pass
