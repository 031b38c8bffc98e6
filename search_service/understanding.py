"""One box understood: `4 together dune leeds tonight under 15 €` is a title, a place, a day, a price and a party.

Nothing here looks at what is on; whether a reading makes sense is decided by what is found with it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from search_service.days import day_named
from search_service.domain import DEFAULT_RADIUS_METRES, NamedDay, Point, Search, parse_distance
from service_kit.folding import fold_words
from service_kit.gazetteer import Gazetteer, Place

Kind = Literal["words", "place", "time", "price", "party", "distance"]
KINDS: tuple[Kind, ...] = ("place", "time", "price", "party", "distance")

LONGEST_PLACE = 4
SHORTEST_PLACE = 3
# Cities too, but nobody means them.
NO_PLACES = frozenset(["the", "and", "for", "all", "man", "men", "much", "see", "one", "two"])
# Below this a city is only meant by its own name, not by what other languages or old maps call it.
KNOWN_BY_OTHER_NAMES = 100_000
BEFORE_PLACES = frozenset({"in", "near", "at", "around", "nearby"})
BEFORE_DAYS = frozenset({"on", "for", "at", "this"})
HERE = frozenset({"me", "here"})
# What is left of "shows in leeds" speaks of no show in particular.
ANYTHING = frozenset(
    {"show", "shows", "event", "events", "ticket", "tickets", "anything", "something", "things", "to", "do"}
    | {"what", "whats", "s", "is", "on", "playing"}
)
LONGEST_DAY = 3
MOST_SEATS = 20
CURRENCY = (
    r"(?:€|£|\$|eur|euros?|gbp|pounds?|usd|dollars?|cad|aud|chf|bucks|kr|sek|nok|dkk|zł|pln|kč|czk|₹|inr|rupees"
    r"|¥|￥|yen|jpy|₩|won|krw)"
)
# Money without a smaller unit. Without a name of it, a price is of money that has hundredths.
WHOLE = re.compile(r"¥|￥|yen|jpy|₩|won|krw", re.IGNORECASE)
LIMIT = r"(?:under|below|max|up to|less than|cheaper than)"
PRICE = re.compile(rf"\b{LIMIT}\s*{CURRENCY}?\s*(\d{{1,6}})(?:[.,](\d{{2}}))?\s*{CURRENCY}?(?!\w)", re.IGNORECASE)
PARTY = re.compile(
    r"\b(\d{1,2})\s+(?:seats?\s+|tickets?\s+|people\s+)?together\b|\b(\d{1,2})\s+(?:seats|tickets)\b", re.IGNORECASE
)
WITHIN = re.compile(r"\bwithin\s+(\d{1,5}(?:\.\d{1,3})?)\s*(km|mi|miles|kilometres|kilometers|m)\b", re.IGNORECASE)
UNITS = {"miles": "mi", "kilometres": "km", "kilometers": "km"}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of what was typed, and what it was taken for; `value` as a parameter of the search would say it."""

    kind: Kind
    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """A search with what its words were taken for. Without `parts` they are words and nothing else."""

    search: Search
    parts: tuple[Part, ...] = ()
    place: Place | None = None


@dataclass
class _Text:
    """What is left to understand, word by word, and what was found so far."""

    words: list[str]
    parts: list[Part] = field(default_factory=list)
    place: Place | None = None

    def take(self, start: int, end: int, kind: Kind, value: Any) -> None:
        self.parts.append(Part(kind, " ".join(self.words[start:end]), value))
        del self.words[start:end]


def understand(search: Search, gazetteer: Gazetteer) -> Reading:
    """What the words of `search` may mean, but for what its other parameters and `as_typed` settle."""
    may = set(KINDS) - set(search.as_typed)
    if search.located:
        may -= {"place", "distance"}
    if search.start or search.end:
        may -= {"time"}
    if search.max_price is not None:
        may -= {"price"}
    if search.seats_together is not None:
        may -= {"party"}
    text, parts = _figures(search.text, may)
    left = _Text(text.replace(",", " ").split(), parts)
    if "time" in may:
        _find(left, _day)
    if "place" in may:
        _find(left, lambda words: _place(words, gazetteer, search.point), _here(search.point))
    if "time" in may and not any(part.kind == "time" for part in left.parts):
        _find(left, _day)
    return _reading(search, left) if left.parts else Reading(search)


def _figures(text: str, may: set[Kind]) -> tuple[str, list[Part]]:
    """Prices, parties and distances, which are told by their numbers wherever they stand."""
    parts: list[Part] = []
    readers: tuple[tuple[Kind, re.Pattern[str], Callable[[re.Match[str]], Any]], ...] = (
        ("price", PRICE, _minor_units),
        ("party", PARTY, lambda match: int(match[1] or match[2])),
        ("distance", WITHIN, lambda match: match[1] + UNITS.get(match[2].lower(), match[2].lower())),
    )
    for kind, pattern, value in readers:
        match = pattern.search(text) if kind in may else None
        said = value(match) if match else None
        if match and _sane(kind, said):
            parts.append(Part(kind, match[0].strip(), said))
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return text, parts


def _minor_units(price: re.Match[str]) -> int:
    whole = int(price[1])
    return whole if WHOLE.search(price[0]) else whole * 100 + int(price[2] or 0)


def _sane(kind: Kind, value: Any) -> bool:
    if kind == "party":
        return 1 <= int(value) <= MOST_SEATS
    if kind != "distance":
        return True
    try:
        return parse_distance(value) > 0
    except ValueError:
        return False


Found = tuple[Kind, Any]


def _find(text: _Text, *readers: Callable[[list[str]], Found | None]) -> None:
    """The longest stretch at the end, else at the beginning, that one of `readers` knows."""
    count = len(text.words)
    lengths = range(min(count, LONGEST_PLACE + 1), 0, -1)
    ends = [(count - length, count) for length in lengths]
    starts = [(0, length) for length in lengths]
    for start, end in ends + starts:
        for read in readers:
            found = read(text.words[start:end])
            if found:
                kind, value = found
                if isinstance(value, Place):
                    text.place = value
                    value = value.name
                text.take(start, end, kind, value)
                return


def _day(words: list[str]) -> Found | None:
    if len(words) > LONGEST_DAY:
        return None
    name = day_named(" ".join(words))
    if name is None and len(words) > 1 and words[0].lower() in BEFORE_DAYS:
        name = day_named(" ".join(words[1:]))
    return ("time", name) if name else None


def _place(words: list[str], gazetteer: Gazetteer, near: Point | None) -> Found | None:
    if len(words) > 1 and words[0].lower() in BEFORE_PLACES:
        words = words[1:]
    name = fold_words(" ".join(words))
    if len(words) > LONGEST_PLACE or name in NO_PLACES or (name.isascii() and len(name) < SHORTEST_PLACE):
        return None
    found = gazetteer.lookup(name, near=(near.lat, near.lon) if near else None)
    if not found:
        return None
    own = fold_words(found[0].name)
    known = name == own or name.startswith(f"{own} ") or found[0].population >= KNOWN_BY_OTHER_NAMES
    return ("place", found[0]) if known else None


def _here(point: Point | None) -> Callable[[list[str]], Found | None]:
    def read(words: list[str]) -> Found | None:
        said = [word.lower() for word in words]
        here = said == ["nearby"] or (len(said) == 2 and said[0] in BEFORE_PLACES and said[1] in HERE)
        return ("place", "here") if here and point else None

    return read


def _reading(search: Search, text: _Text) -> Reading:
    values = {part.kind: part.value for part in text.parts}
    rest = text.words if not {word.lower().strip("?'") for word in text.words} <= ANYTHING else []
    point, radius = search.point, search.radius
    if text.place:
        point, radius = Point(text.place.lat, text.place.lon), search.radius or DEFAULT_RADIUS_METRES
    if "distance" in values and point:
        radius = parse_distance(values["distance"])
    day = NamedDay(values["time"]) if "time" in values else None
    understood = replace(
        search,
        text=" ".join(rest),
        point=point,
        radius=radius,
        start=day or search.start,
        end=day or search.end,
        max_price=values.get("price", search.max_price),
        seats_together=values.get("party", search.seats_together),
    )
    words = (Part("words", understood.text, understood.text),) if rest else ()
    return Reading(understood, (*words, *text.parts), text.place)
