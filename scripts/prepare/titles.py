"""Titles: films, stage works and concerts as one table of events."""

import re
from collections import defaultdict

from prepare.classics import CLASSICS
from prepare.folding import fold

Row = dict[str, str]

TITLE_COLUMNS = (
    *("id", "name", "name_alt", "category", "genres", "language", "year", "creator", "runtime_min"),
    *("description", "source", "licence"),
)
NEW_SINCE = 2010
NOT_SHOWN = {"Erotic", "Short", "Pornographic"}
# Notes of the film office to itself, not part of a title.
SHOOT_NOTES = re.compile(r"[(/]|partie|additif|ajout|demande|documentaire|\bex\b|semaine", re.I)
CATALOGUE_NUMBER = re.compile(
    r",+\s*((op\.?|HWV|RV|LWV|Hob|TrV|KiV|Anh|WoO|BB|FP|TH|Sz|EG|MWV|W\.G|K|H|L|Z|P|S|D)[. ]?\s*[\dXIVa-z].*|)$"
)
STAGE_KINDS = {"Opera": "opera", "Ballet": "ballet", "Musical": "theatre", "Incidental music": "theatre"}
NO_STAGE_WORK = re.compile(r"\b(film|song|suite|overture|cantata|movement)\b", re.I)
NO_COMPOSER = {"Anthem", "Demonstration", "Traditional"}
NO_CONCERTS = ("Lecture", "Private", "Patrons", "Insight", "Lounge")


def prepare_titles(
    *, films: list[Row], french: list[Row], japanese: list[Row], stage: list[Row], concerts: list[Row]
) -> list[Row]:
    rows = [*_films(films), *_japanese(japanese), *_french(french), *_stage_works(stage), *_concerts(concerts)]
    return [{column: row.get(column, "") for column in TITLE_COLUMNS} for row in _once_each(rows)]


def _films(source: list[Row]) -> list[Row]:
    rows = []
    for film in source:
        genres = film["genres"].split("|")
        wanted = int(film["year"]) >= NEW_SINCE or (film["title"], film["year"]) in CLASSICS
        if wanted and not NOT_SHOWN & set(genres) and not film["title"].startswith("Untitled"):
            rows.append({**film, "name": film["title"], "name_alt": "", "category": "movie"})
    return rows


def _japanese(source: list[Row]) -> list[Row]:
    return [{**film, "name": film["title"], "name_alt": film["title_alt"], "category": "movie"} for film in source]


def _french(source: list[Row]) -> list[Row]:
    return [
        {**film, "name": film["title"], "category": "movie", "language": "fr" if _looks_french(film["title"]) else ""}
        for film in source
        if film["kind"] == "film" and not SHOOT_NOTES.search(film["title"])
    ]


def _looks_french(title: str) -> bool:
    """The source gives no language and holds foreign shoots too: only a French word in the title settles it."""
    words = set(re.findall(r"[\w]+", title.casefold()))
    return bool(words & {"le", "la", "les", "un", "une", "des", "du", "et", "au", "aux", "mon", "est", "dans"})


def _stage_works(source: list[Row]) -> list[Row]:
    rows = []
    for work in source:
        kind = work["title_alt"]
        title = work["title"].strip()
        if kind == "Film score" or NO_STAGE_WORK.search(title):
            continue
        name = CATALOGUE_NUMBER.sub("", title).strip(" ,")
        said = title.casefold()
        if not kind:
            kind = "Ballet" if "ballet" in said else "Opera" if "opera" in said else "Stage work"
        detail = f"{title}. " if name != title else ""
        rows.append(
            {
                **work,
                "name": name,
                "name_alt": "",
                "category": STAGE_KINDS.get(kind, "theatre"),
                "genres": kind,
                "description": f"{detail}{kind} by {work['creator']}.",
                "licence": "CC0 1.0",
            }
        )
    return rows


def _concerts(source: list[Row]) -> list[Row]:
    programmes: dict[str, Row] = {}
    for concert in source:
        if concert["works"] and not any(word in concert["event_type"] for word in NO_CONCERTS):
            programmes.setdefault(concert["works"], concert)
    return [_concert(concert) for concert in programmes.values()]


def _concert(concert: Row) -> Row:
    works = concert["works"].split("|")
    surnames = [
        name for name in dict.fromkeys(_surname(work.split(":")[0]) for work in works) if name not in NO_COMPOSER
    ]
    composers = " · ".join(surnames[:3]) + (" …" if len(surnames) > 3 else "")
    conductor = concert["conductors"].split("|")[0]
    year = concert["date"][:4]
    text = f"{concert['orchestra']}: {'; '.join(works)}"
    return {
        "id": concert["event_id"],
        "name": f"{composers} ({_surname(conductor)}, {year})" if conductor else f"{composers} ({year})",
        "category": "concert",
        "genres": "Chamber music" if "Chamber" in concert["event_type"] else "Classical",
        "year": year,
        "creator": " ".join(reversed(conductor.split(", "))) if conductor else "",
        "description": text if len(text) <= 400 else text[:399].rsplit(" ", 1)[0] + "…",
        "source": "nyphil-archives",
        "licence": "CC0 1.0",
    }


def _surname(person: str) -> str:
    """The archives put the name's own spelling in brackets: `Bartok [Bartók]`."""
    plain, _, own = person.split(",", maxsplit=1)[0].strip().partition("[")
    return own.rstrip("] ") or plain.strip()


def _once_each(rows: list[Row]) -> list[Row]:
    """Exact repeats go; stage works and concerts of one name get a mark to tell them by, remakes stay as they are."""
    seen: set[tuple[str, str, str, str]] = set()
    kept = []
    for row in rows:
        key = (row["category"], fold(row["name"]), row["year"], "" if row["category"] == "movie" else row["creator"])
        if key not in seen and fold(row["name"]):
            seen.add(key)
            kept.append(row)
    namesakes: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in kept:
        namesakes[row["category"], fold(row["name"])].append(row)
    for (category, _), group in namesakes.items():
        if category == "movie" or len(group) == 1:
            continue
        for number, row in enumerate(group, 1):
            row["name"] += f" No. {number}" if category == "concert" else f" ({row['creator'].split()[-1]})"
    return kept
