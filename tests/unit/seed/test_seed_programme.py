"""The generated programme: the same each time, possible in a real house, and priced in whole units."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from marquee.seed.command import SHIPPED_DATA
from marquee.seed.halls import halls_of
from marquee.seed.plan import choose_halls, choose_venues, event_item, hall_item, showtime_item, steps, venue_item
from marquee.seed.programme import LEAD, Repertoire, Show, day_in_hall, local_moment, minutes_of, programme
from marquee.seed.records import Collection, Title, Venue, read_collection

# The 14 days after these hold the end of summer time in Europe and New York, and its begin in New York.
AUTUMN = datetime(2026, 10, 20, 9, 0, tzinfo=UTC)
SPRING = datetime(2027, 3, 10, 22, 30, tzinfo=UTC)
VENUES, SHOWTIMES = 150, 3_000


@pytest.fixture(scope="module")
def shipped() -> Collection:
    return read_collection(SHIPPED_DATA)


def programme_at(shipped: Collection, now: datetime) -> list[Show]:
    venues = choose_venues(shipped.venues, VENUES)
    halls = choose_halls(venues, shipped, 2 * VENUES)
    return list(programme(halls, Repertoire(shipped.titles), now=now, showtimes=SHOWTIMES))


def days_of(shows: list[Show]) -> dict[date, set[str]]:
    days: defaultdict[date, set[str]] = defaultdict(set)
    for show in shows:
        # What begins after midnight still belongs to the evening before.
        days[(show.starts_at - timedelta(hours=6)).date()].add(show.ref)
    return days


def test_the_same_moment_gives_the_same_items(shipped: Collection) -> None:
    def all_items() -> list[dict[str, object]]:
        found = steps(shipped, venues=40, showtimes=500, now=AUTUMN)
        return [make() for step in found for make in step.bodies.values()]

    assert all_items() == all_items()


def test_a_day_later_only_the_newly_reached_day_is_added(shipped: Collection) -> None:
    before, after = days_of(programme_at(shipped, AUTUMN)), days_of(programme_at(shipped, AUTUMN + timedelta(days=1)))
    assert sorted(after)[-1] == sorted(before)[-1] + timedelta(days=1)
    for day in sorted(before)[2:-1]:
        assert after[day] == before[day]


def test_minutes_later_nothing_is_new(shipped: Collection) -> None:
    before, after = programme_at(shipped, AUTUMN), programme_at(shipped, AUTUMN + timedelta(minutes=20))
    assert {show.ref for show in after} <= {show.ref for show in before}


@pytest.mark.parametrize("now", [AUTUMN, SPRING])
def test_no_show_begins_before_the_hall_is_free_and_clean(shipped: Collection, now: datetime) -> None:
    by_hall: defaultdict[str, list[Show]] = defaultdict(list)
    for show in programme_at(shipped, now):
        by_hall[show.hall.ref].append(show)
    for shows in by_hall.values():
        for one, following in pairwise(sorted(shows, key=lambda show: show.starts_at)):
            gap = following.starts_at.astimezone(UTC) - one.starts_at.astimezone(UTC)
            assert gap >= timedelta(minutes=minutes_of(one.title) + 20), (one, following)


@pytest.mark.parametrize("now", [AUTUMN, SPRING])
def test_shows_begin_in_the_future_at_hours_people_go_out_by_their_own_clock(
    shipped: Collection, now: datetime
) -> None:
    shows = programme_at(shipped, now)
    assert len({show.hall.venue.timezone for show in shows}) >= 6
    for show in shows:
        zone = ZoneInfo(show.hall.venue.timezone)
        assert show.starts_at.tzinfo == zone
        assert show.starts_at.utcoffset() == show.starts_at.astimezone(UTC).astimezone(zone).utcoffset()
        assert show.starts_at >= now + LEAD
        assert show.starts_at < now + timedelta(days=16)
        assert show.starts_at.hour >= 10 or show.starts_at.hour <= 1
        assert show.starts_at.minute % 5 == 0


def test_the_fourteen_days_hold_as_many_as_asked_for(shipped: Collection) -> None:
    counts = Counter(day for day, refs in days_of(programme_at(shipped, AUTUMN)).items() for _ in refs)
    whole_days = [counts[AUTUMN.date() + timedelta(days=ahead)] for ahead in range(1, 15)]
    assert sum(whole_days) == pytest.approx(SHOWTIMES, abs=SHOWTIMES // 100)


def test_a_hall_has_two_to_five_shows_on_its_days_and_every_hall_has_a_turn(shipped: Collection) -> None:
    shows = programme_at(shipped, AUTUMN)
    a_day = Counter((show.hall.ref, (show.starts_at - timedelta(hours=6)).date()) for show in shows)
    assert max(a_day.values()) <= 5
    assert sum(a_day.values()) / len(a_day) >= 2
    assert len({show.hall.ref for show in shows}) == len({hall for hall, _ in a_day})
    assert len({show.hall.ref for show in shows}) >= 0.95 * 2 * VENUES


def test_houses_show_what_they_are_made_for(shipped: Collection) -> None:
    seen = {(show.hall.venue.kind, show.title.category) for show in programme_at(shipped, AUTUMN)}
    assert {category for kind, category in seen if kind == "cinema"} == {"movie"}
    assert {category for kind, category in seen if kind == "opera_house"} <= {"opera", "ballet"}
    assert {category for kind, category in seen if kind == "concert_hall"} == {"concert"}
    assert {category for kind, category in seen if kind == "theatre"} == {"theatre", "opera", "ballet"}


def house(**changes: object) -> Venue:
    about: dict[str, object] = {
        **{"id": "a:1", "name": "Rex", "kind": "cinema", "city": "Here", "country": "US", "lat": 1, "lon": 1},
        **{"timezone": "America/Havana", "capacity": 200, "screens": 1, "source": "own", "licence": "CC0"},
    }
    return Venue.model_validate(about | changes)


def film(minutes: int) -> Title:
    about = {
        "id": "t:1",
        "name": "Long",
        "category": "movie",
        "runtime_min": minutes,
        "source": "own",
        "licence": "CC0",
    }
    return Title.model_validate(about)


def test_long_films_push_the_next_show_back_or_off_the_day() -> None:
    hall = halls_of(house(), {})[0]
    for day in (date(2026, 11, 1) + timedelta(days=ahead) for ahead in range(14)):
        shows = day_in_hall(hall, day, Repertoire([film(300)]))
        assert 1 <= len(shows) <= 3
        starts = [show.starts_at.astimezone(UTC) for show in shows]
        assert all(second - first >= timedelta(minutes=320) for first, second in pairwise(starts))


def test_an_hour_that_summer_time_leaves_out_becomes_the_next() -> None:
    havana = ZoneInfo("America/Havana")
    skipped = local_moment(date(2027, 3, 14), 15, havana)  # there 00:00 becomes 01:00
    assert (skipped.hour, skipped.minute) == (1, 15)
    assert skipped.astimezone(UTC).astimezone(havana) == skipped


def test_a_late_show_over_the_change_of_the_clock_keeps_its_distance() -> None:
    hall = halls_of(house(), {})[0]
    changes = [date(2027, 3, 13), date(2026, 10, 31)]
    for day in changes:
        starts = [show.starts_at.astimezone(UTC) for show in day_in_hall(hall, day, Repertoire([film(145)]))]
        assert all(second - first >= timedelta(minutes=165) for first, second in pairwise(starts))


def test_prices_are_whole_units_for_every_seat_type_of_the_hall(shipped: Collection) -> None:
    currencies = set()
    for show in programme_at(shipped, AUTUMN):
        item = showtime_item(show)
        pricing = item["pricing"]
        currencies.add(pricing["currency"])
        assert set(pricing["tiers"]) == show.hall.seat_types
        assert all(type(price) is int and price > 0 for price in (*pricing["tiers"].values(), pricing["fee"]))
        if pricing["currency"] == "JPY":
            assert 500 <= pricing["tiers"]["standard"] <= 10_000
    assert currencies >= {"EUR", "GBP", "USD", "JPY", "DKK", "ARS", "CHF"}


def test_a_matinee_is_cheaper_than_the_evening(shipped: Collection) -> None:
    venue = next(venue for venue in shipped.venues if venue.country == "FR")
    hall, title = halls_of(venue, shipped.layouts)[0], shipped.titles[0]
    paris = ZoneInfo("Europe/Paris")
    afternoon, evening = (Show(hall, title, datetime(2026, 11, 25, hour, tzinfo=paris)) for hour in (14, 20))
    cheap, full = (showtime_item(show)["pricing"]["tiers"]["standard"] for show in (afternoon, evening))
    assert cheap < full


def test_items_have_the_fields_of_the_single_routes(shipped: Collection) -> None:
    venue = next(venue for venue in shipped.venues if venue.id == "gb-gla-cim:cinema-1")
    assert venue_item(venue)["address"] == {
        "street": "Silk Street",
        "district": "City of London",
        "state": "England",
        "postalCode": "EC2Y 8DS",
        "country": "GB",
    }
    hall = halls_of(venue, shipped.layouts)[0]
    assert hall_item(hall)["venueRef"] == venue_item(venue)["ref"]
    fireflies = next(title for title in shipped.titles if title.name == "火垂るの墓")
    assert event_item(fireflies)["metadata"] == {
        "genre": "Animation",
        "language": "ja",
        "durationMinutes": 89,
        "people": ["Isao Takahata"],
        "alternateNames": ["Grave of the Fireflies", "Hotaru no haka"],
    }


def test_the_default_set_is_as_large_as_promised(shipped: Collection) -> None:
    venues = choose_venues(shipped.venues, 1_000)
    halls = choose_halls(venues, shipped, 2_000)
    assert (len(set(venues)), len({hall.ref for hall in halls})) == (1_000, 2_000)
    assert all(len([v for v in venues if v.country == country]) >= 50 for country in ("FR", "DK", "AR", "DE", "JP"))
