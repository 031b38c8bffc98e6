"""A party over neighbouring rows, when no row has room for all of it."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise

from inventory_service.domain.choosing.blocks import Blocks, Choice, Offer, choice

MOST_ROWS = 3
LEAST = 2
SMALL_PARTY = 3


def best_split(blocks: Blocks, count: int) -> Choice | None:
    """The cheapest of the most even splits over the fewest rows, each part behind the one before; None when none is."""
    first = cache(lambda size: blocks.offer(size, blocks.plan.followed))
    others = cache(blocks.offer)
    for alike in _splits(count):
        found = []
        for sizes in alike:
            offers = [first(sizes[0]), *map(others, sizes[1:])]
            cheapest = _cheapest(offers) if all(1 in offer.begins for offer in offers) else None
            if cheapest:
                found.append((*cheapest, sizes))
        if found:
            _, begins, sizes = min(found)
            return choice(blocks.plan, zip(begins, sizes, strict=True))
    return None


def _splits(count: int) -> Iterator[list[tuple[int, ...]]]:
    """Sizes of parts: two rows before three, and then the even ones first; as even ones come together.

    Nobody sits alone, but in a party of two or three, where one sits right behind another.
    """
    least = 1 if count <= SMALL_PARTY else LEAST
    for rows in range(2, MOST_ROWS + 1):
        if rows > 2 and count < rows * LEAST:
            return
        ways = sorted(_ways(count, rows, least), key=_unevenness)
        yield from (list(alike) for _, alike in groupby(ways, key=_unevenness))


def _ways(count: int, rows: int, least: int) -> Iterator[tuple[int, ...]]:
    if rows == 1:
        if count >= least:
            yield (count,)
        return
    for first in range(least, count - least * (rows - 1) + 1):
        yield from ((first, *rest) for rest in _ways(count - first, rows - 1, least))


def _unevenness(sizes: tuple[int, ...]) -> int:
    return max(sizes) - min(sizes)


def _cheapest(offers: list[Offer]) -> tuple[int, list[int]] | None:
    """(cost, starts) of the cheapest chain of blocks, one of each offer, each behind the one before."""
    first, *others = offers
    others_floor = sum(offer.floor() for offer in others)
    cheapest: tuple[int, list[int]] | None = None
    for floor, starts in first.cheapest_first():
        if cheapest and floor + others_floor > cheapest[0]:
            break
        for start in starts:
            if cheapest and first.cost(start) + others_floor > cheapest[0]:
                continue
            chain = _chain(start, offers)
            if chain:
                found = sum(offer.cost(at) for offer, at in zip(offers, chain, strict=True)), chain
                cheapest = min(cheapest, found) if cheapest else found
    return cheapest


def _chain(start: int, offers: list[Offer]) -> list[int] | None:
    """Where the blocks begin when the first begins here; None when one finds no place."""
    behind = offers[0].plan.behind
    chain = [start]
    for offer, following in pairwise(offers):
        place = _right_behind(behind[chain[-1]], behind[chain[-1] + offer.size - 1], following)
        if place is None:
            return None
        chain.append(place)
    return chain if offers[0].allowed(start) else None


def _right_behind(one: int, other: int, offer: Offer) -> int | None:
    """The place nearest to straight behind these seats; one seat at least must be right behind."""
    if one < 0:
        return None
    left, right = min(one, other), max(one, other)
    places = offer.among(range(max(left - offer.size + 1, 0), right + 1))
    # Twice the distance between the middles, so that it stays a whole number.
    middles = left + right - (offer.size - 1)
    near = sorted(places, key=lambda start: (abs(2 * start - middles), start))
    return next(filter(offer.allowed, near), None)
