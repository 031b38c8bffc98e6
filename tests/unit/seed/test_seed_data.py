"""The shipped data is what the product promises and would let nobody down."""

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from marquee.seed.command import SHIPPED_DATA
from marquee.seed.halls import halls_of
from marquee.seed.records import SEAT_TYPES, Collection, layout_faults, read_collection
from service_kit.folding import fold

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
REPOSITORY_LIMIT = 4_000_000
# Sources whose licence asks for share-alike: their rows must be recognisable.
OPEN_DATABASE_SOURCES = ("-osm", "paris-lieux")


@pytest.fixture(scope="module")
def shipped() -> Collection:
    return read_collection(SHIPPED_DATA)


def test_a_thousand_venues_in_five_countries_and_more(shipped: Collection) -> None:
    assert len(shipped.venues) >= 1_000
    by_country = Counter(venue.country for venue in shipped.venues)
    assert sum(count >= 20 for count in by_country.values()) >= 5


def test_a_thousand_titles_of_every_kind_a_house_shows(shipped: Collection) -> None:
    assert len(shipped.titles) >= 1_000
    by_category = Counter(title.category for title in shipped.titles)
    assert min(by_category[name] for name in ("movie", "theatre", "opera", "ballet", "concert")) >= 50


def test_a_name_is_unique_in_its_city_without_regard_to_case_and_accents(shipped: Collection) -> None:
    names = Counter((fold(venue.name), fold(venue.city)) for venue in shipped.venues)
    assert [name for name, times in names.items() if times > 1] == []


def test_namesakes_in_different_cities_are_kept(shipped: Collection) -> None:
    assert sum(fold(venue.name) in ("rex", "le rex", "cinema rex") for venue in shipped.venues) >= 25


def test_coordinates_lie_in_the_country_and_zone_they_claim(shipped: Collection) -> None:
    for venue in shipped.venues:
        assert (venue.lat, venue.lon) != (0, 0)
        # A zone's offset and the sun agree to within a few hours everywhere; swapped coordinates don't.
        offset = NEW_YEAR.astimezone(ZoneInfo(venue.timezone)).utcoffset()
        assert offset is not None
        assert abs(offset.total_seconds() / 3600 - venue.lon / 15) < 3, venue
    assert all(-56 < v.lat < -21 and -74 < v.lon < -53 for v in shipped.venues if v.country == "AR")
    assert all(24 < v.lat < 46 and 122 < v.lon < 146 for v in shipped.venues if v.country == "JP")
    assert all(54 < v.lat < 58 and 8 < v.lon < 16 for v in shipped.venues if v.country == "DK")


def test_real_layouts_have_unique_seats_of_known_types(shipped: Collection) -> None:
    seats = {
        name: sum(len(r["seats"]) for s in plan["sections"] for r in s["rows"])
        for name, plan in shipped.layouts.items()
    }
    assert seats == {"hall-576": 576, "hall-738": 738, "theatre-1491": 1_491}
    assert [fault for plan in shipped.layouts.values() for fault in layout_faults(plan)] == []


def test_every_hall_of_every_venue_has_a_valid_layout_of_its_real_size(shipped: Collection) -> None:
    sizes: set[int] = set()
    for venue in shipped.venues:
        halls = halls_of(venue, shipped.layouts)
        for hall in halls:
            layout = hall.layout()
            kinds = [seat["seatType"] for s in layout["sections"] for row in s["rows"] for seat in row["seats"]]
            assert len(kinds) == hall.seats
            assert set(kinds) == hall.seat_types <= SEAT_TYPES
            assert list(layout_faults(layout)) == []
            sizes.add(hall.seats)
        if venue.capacity:
            assert sum(hall.seats for hall in halls) == venue.capacity
            assert len(halls) == min(venue.screens or 1, venue.capacity)
    assert min(sizes) <= 40
    assert max(sizes) >= 1_491


def test_no_two_seats_of_a_hall_stand_on_one_spot(shipped: Collection) -> None:
    for venue in shipped.venues[::10]:
        for hall in halls_of(venue, shipped.layouts):
            seats = [seat for s in hall.layout()["sections"] for row in s["rows"] for seat in row["seats"]]
            assert len({(seat["coordinates"]["x"], seat["coordinates"]["y"]) for seat in seats}) == len(seats), hall


def test_japanese_titles_carry_their_other_names(shipped: Collection) -> None:
    castle = next(title for title in shipped.titles if title.name == "天空の城ラピュタ")
    assert "Castle in the Sky" in castle.name_alt
    assert castle.language == "ja"


def test_share_alike_rows_are_recognisable(shipped: Collection) -> None:
    for record in (*shipped.venues, *shipped.titles):
        open_database = any(part in record.source for part in OPEN_DATABASE_SOURCES)
        assert (record.licence == "ODbL 1.0") == open_database


def test_every_source_is_named_with_its_licence_in_the_readme(shipped: Collection) -> None:
    readme = (SHIPPED_DATA / "README.md").read_text(encoding="utf-8")
    for source in {record.source for record in (*shipped.venues, *shipped.titles)}:
        assert f"`{source}`" in readme


def test_the_folder_stays_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED_DATA.rglob("*") if file.is_file()) < REPOSITORY_LIMIT
