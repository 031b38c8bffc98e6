"""Rules of venues, showtimes and patches that need no database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_kit.errors import Invalid
from service_kit.models import Location
from venues_service.domain.drafts import is_deeper, merge, parse, pointer
from venues_service.domain.events import EventDraft
from venues_service.domain.halls import Slot
from venues_service.domain.showtimes import PricingDraft, SalesDraft, ShowtimeDraft, check_start, priced, sales
from venues_service.domain.venues import VenueDraft, name_key, stated_country, zone_at

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("Ørsted", "orsted"),
        ("Łódź", "LODZ"),
        ("Œuvre", "oeuvre"),
        ("Café  Noir", " cafe\u3000noir "),
        ("\uff23inema", "Cinema"),
        ("ｶﾌﾞｷ", "カブキ"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one, "Paris", "FR") == name_key(other, "PARIS", "FR")


@pytest.mark.parametrize(("one", "other"), [("カブキ", "カフキ"), ("कि", "का"), ("Rex 1", "Rex 2")])
def test_marks_that_make_another_word_make_another_key(one: str, other: str) -> None:
    assert name_key(one, "X", "JP") != name_key(other, "X", "JP")


@pytest.mark.parametrize(
    ("text", "code"), [("FR", "FR"), ("fra", "FR"), ("Germany", "DE"), ("UK", "GB"), ("日本", "JP")]
)
def test_a_country_is_known_by_code_or_name(text: str, code: str) -> None:
    assert stated_country(VenueDraft.model_validate({"name": "V", "city": "C", "address": {"country": text}})) == code


def test_a_countrys_name_in_its_own_language_is_left_to_the_place_and_a_wrong_code_is_refused() -> None:
    draft = VenueDraft.model_validate({"name": "V", "city": "C", "address": {"country": "Magyarország"}})
    assert stated_country(draft) is None
    with pytest.raises(Invalid) as caught:
        stated_country(VenueDraft.model_validate({"name": "V", "city": "C", "address": {"country": "QQ"}}))
    assert [at for at, _ in caught.value.faults] == ["/address/country"]


# The first look-up loads the map of zones, which takes longer than hypothesis allows.
@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_on_earth_has_a_time_zone(lat: float, lon: float) -> None:
    assert ZoneInfo(zone_at(Location(lat=lat, lon=lon)))


SECTIONS = {"a": {"standard": 5, "vip": 2}, "b": {"vip": 3}}


def price(**tiers: int) -> dict[str, int]:
    return priced(PricingDraft(currency="EUR", tiers=tiers), SECTIONS).tiers


def test_every_seat_needs_a_price_by_type_or_section() -> None:
    assert price(standard=1, VIP=2) == {"standard": 1, "vip": 2}
    assert price(a=1, b=2) == {"a": 1, "b": 2}
    assert price(a=1, vip=2, sofa=3) == {"a": 1, "vip": 2, "sofa": 3}
    for tiers in ({"standard": 1}, {"a": 1}, {"b": 1}, {"standard": 1, "b": 2}):
        with pytest.raises(Invalid) as caught:
            price(**tiers)
        assert [at for at, _ in caught.value.faults] == ["/pricing/tiers"]


@given(st.sets(st.sampled_from(["a", "b", "standard", "vip"]), min_size=1))
def test_pricing_is_refused_exactly_when_a_seat_has_no_price(names: set[str]) -> None:
    covered = all({section, kind} & names for section, kinds in SECTIONS.items() for kind in kinds)
    if covered:
        assert set(price(**dict.fromkeys(names, 1))) == names
    else:
        with pytest.raises(Invalid):
            price(**dict.fromkeys(names, 1))


def showtime(**fields: Any) -> ShowtimeDraft:
    body = {"venueId": "v", "hallId": "h", "pricing": {"currency": "EUR", "tiers": {"standard": 1}}, **fields}
    return parse(ShowtimeDraft, body)


@pytest.mark.parametrize("name", ["startsAt", "timestamp"])
def test_a_start_must_lie_ahead_but_not_years(name: str) -> None:
    check_start(showtime(**{name: (NOW + timedelta(seconds=1)).isoformat()}), NOW)
    check_start(showtime(**{name: (NOW + timedelta(days=730)).isoformat()}), NOW)
    for start in (NOW, NOW - timedelta(days=1), NOW + timedelta(days=732)):
        with pytest.raises(Invalid) as caught:
            check_start(showtime(**{name: start.isoformat()}), NOW)
        assert caught.value.faults[0][0] == f"/{name}"


def test_a_start_is_kept_in_whole_milliseconds() -> None:
    assert showtime(startsAt="2026-12-01T20:00:00.123987Z").start.microsecond == 123_000


HOURS = st.one_of(st.none(), st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours)))


@given(HOURS, HOURS)
def test_sales_last_for_some_time_and_end_with_the_show_at_the_latest(
    first: datetime | None, last: datetime | None
) -> None:
    ends = NOW + timedelta(hours=2)
    draft = SalesDraft.model_validate({"from": first, "until": last})
    wrong = set()
    if first and first >= (last or NOW):
        wrong.add("/onSale/from")
    if last and last > ends:
        wrong.add("/onSale/until")
    if wrong:
        with pytest.raises(Invalid) as caught:
            sales(draft, NOW, ends)
        assert {at for at, _ in caught.value.faults} == wrong
    else:
        window = sales(draft, NOW, ends)
        assert (window.from_, window.until) == (first, last)


@pytest.mark.parametrize("text", ["2026", "2026-11", "2026-11-21"])
def test_a_release_may_be_known_by_year_or_month_only(text: str) -> None:
    event = parse(EventDraft, {"name": "E", "category": "c", "metadata": {"releaseDate": text}})
    assert event.metadata.release_date == text


@pytest.mark.parametrize("text", ["26", "2026-13", "2026-02-30", "2026-1-1", "0000", "soon"])
def test_a_release_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(EventDraft, {"name": "E", "category": "c", "metadata": {"releaseDate": text}})


def slot(starts: int, until: int) -> Slot:
    start, end = NOW + timedelta(minutes=starts), NOW + timedelta(minutes=until)
    return Slot("c", "s", "e", start, end, end, NOW)


@given(st.integers(0, 20), st.integers(1, 9), st.integers(0, 20), st.integers(1, 9))
def test_slots_overlap_exactly_when_they_share_a_minute(a: int, a_long: int, b: int, b_long: int) -> None:
    shared = set(range(a, a + a_long)) & set(range(b, b + b_long))
    assert slot(a, a + a_long).overlaps(slot(b, b + b_long)) is bool(shared)


def test_a_merge_patch_does_what_rfc_7396_says() -> None:
    # The cases of the RFC's appendix whose target and patch are both objects.
    cases: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, result in cases:
        assert merge(target, patch) == result


def test_a_patch_as_deep_as_a_stack_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(Invalid):
        merge({}, deep)


@given(st.integers(0, 10), st.integers(0, 10))
def test_depth_is_counted_in_levels(depth: int, allowed: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    assert is_deeper(value, allowed) is (depth > allowed)


def test_pointers_are_escaped() -> None:
    assert pointer("a/b", 0, "c~d") == "/a~1b/0/c~0d"
