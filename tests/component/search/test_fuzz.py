"""Thousands of searches of all that breaks searches: each is refused, or answered in time and in shape."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from urllib.parse import quote_from_bytes

import httpx2
import pytest

from search_service.models import FeatureCollection, PlacesAnswer, ShowsAnswer, SuggestAnswer
from search_service.store import SEARCH_SECONDS
from service_kit.models import Model
from tests.component.search.strings import Raw, nasty

log = logging.getLogger(__name__)
SEED = 20261125
# Ten thousand now and then.
CASES = int(os.environ.get("MARQUEE_FUZZ_CASES", "3000"))
AT_ONCE = 4
# What a server takes at most as an address; longer ones never reach the app.
LONGEST_ADDRESS = 65_000

ANSWERS: dict[str, type[Model]] = {
    "shows": ShowsAnswer,
    "suggest": SuggestAnswer,
    "places": PlacesAnswer,
    "map": FeatureCollection,
    "shows.geojson": FeatureCollection,
}
MEDIA_TYPES = {"map": "application/geo+json", "shows.geojson": "application/geo+json"}
WORDS = (
    *("query", "query", "query", "near", "city", "venueId", "eventId", "seatType"),
    *("category", "genre", "language", "certificate"),
)
NUMBERS: tuple[Raw, ...] = (
    *("0", "-0", "1", "-1", "1.5", "45", "90", "-90", "90.0000001", "180", "-180", "179.99", "180.1"),
    *("NaN", "inf", "-inf", "1e400", "1e-400", "1e9", "1e3", "4.9e-324", "2147483648", "9223372036854775808"),
    *("9" * 5_000, "0x10", "1_0", "+1", "\u0663", "\uff11", "½", " 1 ", "1 ", "1,5",),
    *("", "true", "null", "20", "100", "101"),
    *("None", "--1", "1e", "0" * 300 + "1"),
)  # fmt: skip
CHOICES: dict[str, tuple[Raw, ...]] = {
    "distance": (
        *("10km", "0km", "-1km", "1000000km", "20000km", "20000.001km", "0.0001m", "0.000000001m", "1e3km", "NaNkm"),
        *("5 mi", "٣km", "10", "km", "10 km 5", "999999999999km", "1nmi", "3ft", "infkm", " 7 KM ", "10km\x00"),
    ),
    "bbox": (
        *("-180,-90,180,90", "179,-1,-179,1", "0,0,1,1", "180,-90,-180,90", "0,0,0,1", "0,1,1,0", "1,2,3", "NaN,0,1,1"),
        *("2,48,3,49", "0,89.999999,1,90", "-180,-90,-179.999999999,-89.999999999", "0,0,1e-300,1e-300", "1e400,0,1,1"),
        *("0,0,1,1,", ",,,", "\u0661,\u0662,\u0663,\u0664", "176,-19,-149,-4", "0 ,0 ,1 ,1", "-0,-0,0,1"),
        *("5e-324,0,0,5e-324", "0,0,1,1e-400"),
    ),
    "startDate": (
        *("today", "tonight", "this-weekend", "next_week", "NOW", "yesterday", "2026-12-24", "20261224", "2026-W52-4"),
        *("0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        *("2026-02-30", "10000-01-01", "2026-12-24T19:30:00 01:00", "2026-12-24T24:00"),
        *("2026-12-24T19:30:00+23:59:59.999999", "1e9", "0", "\u0662\u0660\u0662\u0666-\u0661\u0662-\u0662\u0664"),
    ),
    "sort": ("relevance", "distance", "soonest", "price", "best", "", "_score", "Price"),
    "groupBy": ("event", "venue", ""),
    "facets": ("true", "all", "0", "price,day", "distance", "colour", ",,,", "true,false", "venue, city"),
    "asTyped": ("true", "place", "time", "party", "false"),
    "availableOnly": ("true", "1", "yes", "maybe", ""),
    "cursor": ("AAAA", "=", "====", "-_", "e30", "bnVsbA", "W10", "A" * 2_000, "A" * 2_001, "a.b.c", "å"),
}  # fmt: skip
CHOICES["endDate"] = CHOICES["startDate"]
NUMERIC = ("lat", "lon", "limit", "seatsTogether", "maxPrice")
# Drawn more often than nonsense, so that Elasticsearch is asked and not only the checks before it.
SENSE: dict[str, tuple[Raw, ...]] = {
    "lat": ("48.85", "-90", "90", "0", "-17.8"),
    "lon": ("2.34", "180", "-180", "0", "177.4"),
    "limit": ("1", "5", "20"),
    "seatsTogether": ("1", "4", "11", "1000"),
    "maxPrice": ("0", "1500", "100000000000"),
    "zoom": ("0", "3", "12", "24"),
}

UNKNOWN = ("q[$ne]", "", "unknown", "query[", "[]", "city[0]", "\u0000", "_")


@dataclass(frozen=True)
class Case:
    """`number` alone makes it again: see `case`."""

    number: int
    path: str
    address: str

    def __str__(self) -> str:
        return f"case({self.number}): GET {self.address[:2_000]}"


def case(number: int) -> Case:
    chance = Random(f"{SEED} {number}")
    path = chance.choices(list(ANSWERS), weights=(55, 20, 10, 10, 5))[0]
    params = list({"shows": _shows, "shows.geojson": _shows, "map": _map}.get(path, _typed)(chance))
    if params and chance.random() < 0.1:
        name, _ = chance.choice(params)
        params += [(name, nasty(chance))] * chance.choice((1, 1, 3, 60))
    if chance.random() < 0.03:
        params.append(
            (chance.choice(("q[$ne]", "", "unknown", "query[", "[]", "city[0]", "\u0000", "_")), nasty(chance))
        )
    if chance.random() < 0.05:
        params = [(f"{name}[]", value) for name, value in params]
    query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in params)
    return Case(number, path, f"/api/v1/search/{path}?{query}"[:LONGEST_ADDRESS])


def _quoted(raw: Raw) -> str:
    return quote_from_bytes(raw if isinstance(raw, bytes) else raw.encode())


def _shows(chance: Random) -> Iterator[tuple[str, Raw]]:
    if chance.random() < 0.7:
        yield "query", nasty(chance)
    if chance.random() < 0.4:
        yield from _point(chance)
    for name in chance.sample([*WORDS, *CHOICES, *NUMERIC], k=chance.choice((0, 0, 1, 1, 2, 3))):
        yield name, _value(chance, name)
    if chance.random() < 0.05:
        name = chance.choice(("city", "venueId", "genre", "facets", "asTyped"))
        yield from ((name, str(number)) for number in range(chance.choice((49, 51, 2_000))))


def _point(chance: Random) -> Iterator[tuple[str, Raw]]:
    names = ("lat", "lon") if chance.random() < 0.95 else ("lat",)
    yield from ((name, _value(chance, name)) for name in names)


def _value(chance: Random, name: str) -> Raw:
    if name in WORDS:
        return nasty(chance)
    drawn = chance.random()
    if name in SENSE and drawn < 0.8:
        return chance.choice(SENSE[name])
    return nasty(chance) if drawn > 0.95 else chance.choice(CHOICES.get(name, NUMBERS))


def _typed(chance: Random) -> Iterator[tuple[str, Raw]]:
    yield "q", nasty(chance)
    if chance.random() < 0.4:
        yield from _point(chance)
    if chance.random() < 0.2:
        yield "limit", _value(chance, "limit")


def _map(chance: Random) -> Iterator[tuple[str, Raw]]:
    if chance.random() < 0.95:
        yield "bbox", _value(chance, "bbox")
    if chance.random() < 0.8:
        yield "zoom", _value(chance, "zoom")


@dataclass
class Outcome:
    """`fault` says what is wrong with an answer."""

    case: Case
    status: int
    seconds: float
    fault: str | None


async def ask(client: httpx2.AsyncClient, one: Case) -> Outcome:
    started = time.monotonic()
    answer = await client.get(one.address)
    seconds = time.monotonic() - started
    return Outcome(one, answer.status_code, seconds, fault_of(one.path, answer, seconds))


def fault_of(path: str, answer: httpx2.Response, seconds: float) -> str | None:
    if seconds > SEARCH_SECONDS:
        return f"took {seconds:.1f} s"
    kind = answer.headers["content-type"]
    try:
        match answer.status_code:
            case 200:
                shape = ANSWERS[path].model_validate(json.loads(answer.content, parse_constant=_no_number))
                items = getattr(shape, "items", None) or getattr(shape, "features", [])
                expected = MEDIA_TYPES.get(path, "application/json")
                sound = len(items) <= (500 if path in MEDIA_TYPES else 100)
            case 422:
                problem = answer.json()
                sound = problem["status"] == 422 and problem["type"] and problem["title"] and problem["errors"]
                expected = "application/problem+json"
            case status:
                return f"status {status}: {answer.text[:300]}"
    except ValueError as error:
        return f"not in shape: {error}"
    return None if sound and kind == expected else f"{kind}: {answer.text[:300]}"


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


async def fuzz(client: httpx2.AsyncClient, numbers: Iterator[int]) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def worker() -> None:
        for number in numbers:
            outcomes.append(await ask(client, case(number)))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return outcomes


@pytest.mark.timeout(300)
async def test_whatever_is_asked_is_refused_or_answered_in_time_and_in_shape(client: httpx2.AsyncClient) -> None:
    outcomes = await fuzz(client, iter(range(CASES)))
    # Beside others, and on a machine that does other work, one may wait for its turn: what fails must fail alone too.
    suspects = [one.case for one in outcomes if one.fault]
    faults = [again for one in suspects[:50] if (again := await ask(client, one)).fault]
    assert not faults, "\n".join(f"{one.case}\n  {one.fault}" for one in faults[:20])
    counted = Counter((one.case.path, one.status) for one in outcomes)
    report = {f"{path} {status}": count for (path, status), count in sorted(counted.items())}
    slowest = sorted(outcomes, key=lambda one: -one.seconds)[:3]
    log.info("%s\n%s", report, "\n".join(f"{one.seconds:.2f} s {one.case}"[:200] for one in slowest))
    # Both ways are gone often enough to say something.
    for path in ANSWERS:
        assert counted[path, 200] > CASES / 100, report
        assert counted[path, 422] > CASES / 100, report
    assert counted["shows", 200] > CASES / 8, report
