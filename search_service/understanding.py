"""One box understood: `4 together dune leeds tonight under 15 €` is a title, a place, a day, a price and a party.

Nothing here looks at what is on; whether a reading makes sense is decided by what is found with it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, Literal

from search_service.days import date_named, day_named
from search_service.domain import DEFAULT_RADIUS_METRES, Point, Search, parse_bound, parse_distance
from service_kit.folding import fold_words
from service_kit.gazetteer import Gazetteer, Place

Kind = Literal["words", "place", "time", "price", "party", "distance", "category"]
KINDS: tuple[Kind, ...] = ("place", "time", "price", "party", "distance", "category")

LONGEST_PLACE = 4
SHORTEST_PLACE = 3
# Cities too, but nobody means them.
NO_PLACES = frozenset(["the", "and", "for", "all", "man", "men", "much", "see", "one", "two"])
# Below this a city is only meant by its own name, not by what other languages or old maps call it.
KNOWN_BY_OTHER_NAMES = 150_000
BEFORE_PLACES = frozenset({"in", "near", "at", "around", "nearby", "of"})
BEFORE_DAYS = frozenset({"on", "for", "at", "this"})
HERE = frozenset({"me", "here"})
# What is left of "shows in leeds" speaks of no show in particular.
ANYTHING = frozenset(
    {"show", "shows", "event", "events", "ticket", "tickets", "anything", "something", "things", "to", "do"}
    | {"what", "whats", "s", "is", "on", "playing", "cheap", "cheapest", "good", "best", "any", "a", "for"}
)
# Said beside a place or a day, these mean all of a kind.
CATEGORIES = {
    **dict.fromkeys(("film", "films", "movie", "movies", "cinema", "kino", "pelicula", "peliculas"), "movie"),
    **dict.fromkeys(("concert", "concerts", "gig", "gigs", "konzert", "konzerte", "conciertos"), "concert"),
    **dict.fromkeys(("opera", "operas", "oper", "opern"), "opera"),
    **dict.fromkeys(("theatre", "theatres", "theater", "theaters", "play", "plays", "teatro"), "theatre"),
    **dict.fromkeys(("ballet", "ballets", "ballett"), "ballet"),
}
LONGEST_DAY = 4
MOST_SEATS = 20
CURRENCY = (
    r"(?:€|£|\$|eur|euros?|gbp|pounds?|usd|dollars?|cad|aud|chf|bucks|kr|sek|nok|dkk|zł|pln|kč|czk|₹|inr|rupees"
    r"|¥|￥|yen|jpy|₩|won|krw)"
)
# Money without a smaller unit. Without a name of it, a price is of money that has hundredths.
WHOLE = re.compile(r"¥|￥|yen|jpy|₩|won|krw", re.IGNORECASE)
LIMIT = r"(?:under|below|max|up to|less than|cheaper than)"
AMOUNT = r"(\d{1,6})(?:[.,](\d{2}))?"
PRICE = re.compile(
    rf"\b{LIMIT}\s*{CURRENCY}?\s*{AMOUNT}\s*{CURRENCY}?(?!\w)"
    rf"|(?<!\w){AMOUNT}\s*{CURRENCY}\s*(?:max|or less|or under)\b",
    re.IGNORECASE,
)
PEOPLE = r"(?:people|persons?|adults|of us|personen|personnes|personas)"
PARTY = re.compile(
    r"\b(\d{1,2})\s+(?:seats?\s+|tickets?\s+|people\s+)?together\b|\b(\d{1,2})\s+(?:seats|tickets)\b"
    rf"|\b(?:for|party of|für|pour|para)\s+(\d{{1,2}})\b(?:\s+{PEOPLE}\b)?|\b(\d{{1,2}})\s+{PEOPLE}\b",
    re.IGNORECASE,
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


def understand(search: Search, gazetteer: Gazetteer, today: date) -> Reading:
    """What the words of `search` may mean, but for what `as_typed` settles. A parameter wins over what they say.

    `today` decides the year of a date without one.
    """
    may = set(KINDS) - set(search.as_typed)
    if search.located:
        may -= {"place", "distance"}
    text, parts = _figures(search.text, may)
    left = _Text(text.replace(",", " ").split(), parts)
    read_day = partial(_day, today=today)
    if "time" in may:
        _find(left, read_day)
    if "place" in may:
        _find(left, lambda words: _place(words, gazetteer, search.point), _here)
    if "time" in may and not any(part.kind == "time" for part in left.parts):
        _find(left, read_day)
    if "category" in may and left.parts and "category" not in {name for name, said in search.wanted.items() if said}:
        _category(left)
    return _reading(search, left) if left.parts else Reading(search)


def _figures(text: str, may: set[Kind]) -> tuple[str, list[Part]]:
    """Prices, parties and distances, which are told by their numbers wherever they stand."""
    parts: list[Part] = []
    readers: tuple[tuple[Kind, re.Pattern[str], Callable[[re.Match[str]], Any]], ...] = (
        ("price", PRICE, _minor_units),
        ("party", PARTY, lambda match: int(match[1] or match[2] or match[3] or match[4])),
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
    whole = int(price[1] or price[3])
    return whole if WHOLE.search(price[0]) else whole * 100 + int(price[2] or price[4] or 0)


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


def _day(words: list[str], today: date) -> Found | None:
    if len(words) > LONGEST_DAY:
        return None
    for said in (words, words[1:] if len(words) > 1 and words[0].lower() in BEFORE_DAYS else []):
        if name := day_named(" ".join(said)):
            return "time", name
        if then := date_named(" ".join(said), today):
            return "time", then.isoformat()
    return None


def _category(text: _Text) -> None:
    """All that is left speaks of one kind, or its last word does beside others."""
    kinds = {CATEGORIES[word] for word in map(fold_words, text.words) if word in CATEGORIES}
    only = {fold_words(word) for word in text.words} <= {*CATEGORIES, *ANYTHING}
    if len(kinds) == 1 and only:
        text.take(0, len(text.words), "category", kinds.pop())
    elif len(text.words) > 1 and (last := fold_words(text.words[-1])) in CATEGORIES and last.endswith("s"):
        text.take(len(text.words) - 1, len(text.words), "category", CATEGORIES[last])


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


def _here(words: list[str]) -> Found | None:
    """Without a position it is everywhere; still nobody looks for these words."""
    said = [word.lower() for word in words]
    here = said == ["nearby"] or (len(said) == 2 and said[0] in BEFORE_PLACES and said[1] in HERE)
    return ("place", "here") if here else None


def _reading(search: Search, text: _Text) -> Reading:
    values = {part.kind: part.value for part in text.parts}
    rest = text.words if not {word.lower().strip("?'") for word in text.words} <= ANYTHING else []
    point, radius = search.point, search.radius
    if text.place:
        point, radius = Point(text.place.lat, text.place.lon), search.radius or DEFAULT_RADIUS_METRES
    if "distance" in values and point and not search.distanced:
        radius = parse_distance(values["distance"])
    start, end = search.start, search.end
    if "time" in values and not start and not end:
        start, end = parse_bound(values["time"], end=False), parse_bound(values["time"], end=True)
    understood = replace(
        search,
        text=" ".join(rest),
        point=point,
        radius=radius,
        start=start,
        end=end,
        max_price=values.get("price") if search.max_price is None else search.max_price,
        seats_together=values.get("party") if search.seats_together is None else search.seats_together,
        wanted={**search.wanted, "category": [values["category"]]} if "category" in values else search.wanted,
    )
    words = (Part("words", understood.text, understood.text),) if rest else ()
    return Reading(understood, (*words, *text.parts), text.place)
