"""The files of a data folder, read and checked: each fault is told with its file and line."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from marquee.faults import StackError

# What the product knows.
SEAT_TYPES = frozenset(
    ("standard", "premium", "vip", "recliner", "loveseat", "balcony", "box", "wheelchair", "companion", "standing")
)
VENUE_FILE, TITLE_FILE, LAYOUT_FOLDER = "venues.csv", "titles.csv", "layouts"
MOST_FAULTS_SHOWN = 20
ZONES = available_timezones()


class DataFault(StackError):
    """The data folder cannot be used; the text lists what is wrong and where."""


def _known_zone(name: str) -> str:
    if name not in ZONES:
        raise ValueError("is no IANA time zone")
    return name


def _bars(text: object) -> object:
    return [part for part in text.split("|") if part] if isinstance(text, str) else text


def _empty_is_none(text: object) -> object:
    return None if text == "" else text


Ref = Annotated[str, Field(pattern=r"^[A-Za-z0-9:._/-]{1,40}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[tuple[str, ...], BeforeValidator(_bars)]
Seats = Annotated[Annotated[int, Field(ge=1, le=100_000)] | None, BeforeValidator(_empty_is_none)]
Screens = Annotated[Annotated[int, Field(ge=1, le=100)] | None, BeforeValidator(_empty_is_none)]
Year = Annotated[Annotated[int, Field(ge=1500, le=2100)] | None, BeforeValidator(_empty_is_none)]
Minutes = Annotated[Annotated[int, Field(ge=1, le=360)] | None, BeforeValidator(_empty_is_none)]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    id: Ref
    name: Name
    name_alt: Names = ()
    source: str
    licence: str


class Venue(Record):
    """A real place; `screens` and `capacity` (seats of all screens) only where the source has them."""

    kind: Literal["cinema", "theatre", "opera_house", "concert_hall"]
    street: str = ""
    district: str = ""
    city: Annotated[str, Field(min_length=1, max_length=100)]
    city_local: str = ""
    postcode: str = ""
    state: str = ""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    timezone: Annotated[str, AfterValidator(_known_zone)]
    screens: Screens = None
    capacity: Seats = None
    layout: str = ""


class Title(Record):
    """What is shown; `genres` and `name_alt` are lists, written with bars between."""

    category: Literal[
        "movie", "theatre", "opera", "ballet", "concert", "comedy", "sport", "festival", "exhibition", "other"
    ]
    genres: Names = ()
    language: Annotated[str, Field(pattern=r"^([a-z]{2})?$")] = ""
    year: Year = None
    creator: str = ""
    runtime_min: Minutes = None
    description: Annotated[str, Field(max_length=2000)] = ""


@dataclass(frozen=True)
class Collection:
    """A whole data folder."""

    venues: list[Venue]
    titles: list[Title]
    layouts: dict[str, dict[str, Any]]


def read_collection(folder: Path) -> Collection:
    """Raises DataFault with up to 20 faults, each as `file:line: what`."""
    faults: list[str] = []
    venues = _read_table(folder / VENUE_FILE, Venue, faults)
    titles = _read_table(folder / TITLE_FILE, Title, faults)
    layouts = _read_layouts(folder / LAYOUT_FOLDER, faults)
    for line, venue in venues:
        if venue.layout and venue.layout not in layouts:
            faults.append(f"{folder / VENUE_FILE}:{line}: layout: there is no {LAYOUT_FOLDER}/{venue.layout}.json")
    if not faults and not (venues and titles):
        faults.append(f"{folder}: no venues or no titles in it")
    if faults:
        shown = faults[:MOST_FAULTS_SHOWN]
        more = [f"… and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        raise DataFault("\n".join(["The data cannot be loaded:", *shown, *more]))
    return Collection([venue for _, venue in venues], [title for _, title in titles], layouts)


RecordType = TypeVar("RecordType", bound=Record)


def _read_table(path: Path, model: type[RecordType], faults: list[str]) -> list[tuple[int, RecordType]]:
    rows: list[tuple[int, RecordType]] = []
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for raw in reader:
                line = reader.line_num
                record = _checked(raw, model, f"{path}:{line}", faults)
                if record is None:
                    continue
                if record.id in seen:
                    faults.append(f"{path}:{line}: id: {record.id} is in line {seen[record.id]} already")
                seen.setdefault(record.id, line)
                rows.append((line, record))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(f"{path}: cannot be read: {error}")
    return rows


def _checked(raw: dict[str, Any], model: type[RecordType], place: str, faults: list[str]) -> RecordType | None:
    if None in raw or None in raw.values():
        faults.append(f"{place}: has another number of fields than the first line")
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults.extend(
            f"{place}: {fault['loc'][0] if fault['loc'] else 'row'}: {fault['msg']}" for fault in error.errors()
        )
        return None


def _read_layouts(folder: Path, faults: list[str]) -> dict[str, dict[str, Any]]:
    layouts: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            layout = json.loads(path.read_text(encoding="utf-8"))
            faults.extend(f"{path}: {fault}" for fault in layout_faults(layout))
        except (OSError, ValueError) as error:
            faults.append(f"{path}: cannot be read: {error}")
        except (KeyError, TypeError, AttributeError) as error:
            faults.append(f"{path}: is not a layout of sections, rows and seats: {error!r}")
        else:
            layouts[path.stem] = layout
    return layouts


def layout_faults(layout: dict[str, Any]) -> Iterable[str]:
    """Only what would make every hall fail; the service checks the rest."""
    ids: Counter[str] = Counter()
    for section in layout["sections"]:
        for row in section["rows"]:
            place = f"section {section['id']}, row {row['label']}"
            if not row["seats"]:
                yield f"{place}: has no seat"
            for seat in row["seats"]:
                ids[seat["id"]] += 1
                if seat["seatType"] not in SEAT_TYPES:
                    yield f"{place}, seat {seat['id']}: unknown seat type {seat['seatType']!r}"
    yield from (f"seat id {seat_id} occurs {times} times" for seat_id, times in ids.items() if times > 1)
