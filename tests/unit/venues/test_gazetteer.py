"""The offline gazetteer finds the city that people mean."""

import time

import pytest

from service_kit.countries import country_code
from service_kit.folding import fold, fold_words
from service_kit.gazetteer import Gazetteer, gazetteer
from service_kit.models import Location
from venues_service.config import Settings
from venues_service.domain.venues import VenueDraft
from venues_service.geocoding import open_geocoding


@pytest.mark.parametrize(
    ("name", "country", "found", "found_in"),
    [
        ("Paris", None, "Paris", "FR"),
        ("Paris", "US", "Paris", "US"),
        ("Paris, Texas", None, "Paris", "US"),
        ("paris tx", None, "Paris", "US"),
        ("London, United Kingdom", None, "London", "GB"),
        ("london uk", None, "London", "GB"),
        ("Wien", None, "Vienna", "AT"),
        ("MÜNCHEN", None, "Munich", "DE"),
        ("東京", None, "Tokyo", "JP"),
        ("saint etienne", None, "Saint-Étienne", "FR"),
        ("Xyzzyville, Paris, France", None, "Paris", "FR"),
        ("New York", None, "New York City", "US"),
        ("York", None, "York", "GB"),
    ],
)
def test_a_name_leads_to_the_likeliest_city(name: str, country: str | None, found: str, found_in: str) -> None:
    place = gazetteer().lookup(name, country)[0]
    assert (place.name, place.country) == (found, found_in)


def test_what_is_near_wins_over_what_is_large() -> None:
    assert gazetteer().lookup("Cambridge")[0].country == "GB"
    assert gazetteer().lookup("Cambridge", near=(42.36, -71.06))[0].country == "US"


@pytest.mark.parametrize("name", ["", " ", ",,,", "Xyzzyville", "\x00", "a" * 10_000, "(", ".*"])
def test_what_is_no_city_is_not_found(name: str) -> None:
    assert gazetteer().lookup(name) == []


def test_an_unknown_country_has_no_cities() -> None:
    assert gazetteer().lookup("Paris", "XX") == []


def test_a_beginning_leads_to_the_best_known_first() -> None:
    assert [place.name for place in gazetteer().starting_with("münc", 2)] == ["Munich", "Muncie"]
    assert gazetteer().starting_with("par", 1)[0].name == "Paris"
    assert gazetteer().starting_with("") == []
    assert len(gazetteer().starting_with("s", 7)) == 7


def test_a_place_tells_its_position_zone_and_other_names() -> None:
    place = gazetteer().lookup("Vienna", "AT")[0]
    assert place.point == pytest.approx((48.21, 16.37), abs=0.05)
    assert place.timezone == "Europe/Vienna"
    assert place.population > 1_000_000
    assert "Wien" in place.alternate_names


@pytest.mark.parametrize(
    ("point", "name", "country"),
    [((50.63, 3.06), "Lille", "FR"), ((-18.1, -179.95), "Nasinu", "FJ"), ((78.2, 15.6), "Longyearbyen", "SJ")],
)
def test_the_nearest_city_is_found_also_across_the_date_line(
    point: tuple[float, float], name: str, country: str
) -> None:
    nearest = gazetteer().nearest(*point)
    assert nearest is not None
    assert (nearest.name, nearest.country) == (name, country)


def test_in_the_middle_of_nowhere_there_is_no_nearest_city() -> None:
    assert gazetteer().nearest(-85, 0) is None
    assert gazetteer().nearest(90, 180) is None


def test_it_speaks_geopys_interface() -> None:
    location = gazetteer().geocode("Lyon, France")
    assert (location.latitude, location.longitude) == pytest.approx((45.75, 4.85), abs=0.05)
    assert gazetteer().geocode({"city": "Portland", "state": "Oregon", "country": "US"}).longitude < -120
    assert gazetteer().geocode({"city": "Portland", "state": "Maine"}).longitude > -75
    assert gazetteer().geocode("Xyzzyville") is None
    assert gazetteer().geocode("Xyzzyville", exactly_one=False) is None
    assert len(gazetteer().geocode("Paris", exactly_one=False)) > 1
    assert gazetteer().reverse((48.86, 2.34)).raw["address"]["country_code"] == "fr"


def test_it_is_built_in_seconds_and_asked_in_no_time() -> None:
    started = time.process_time()
    built = Gazetteer()
    assert time.process_time() - started < 5
    started = time.process_time()
    for _ in range(100):
        built.lookup("Paris, France")
    assert time.process_time() - started < 0.5


def test_folding_makes_spellings_alike() -> None:
    assert fold("  Théâtre\u00a0 Øst ") == "theatre ost"
    assert fold_words("Saint-Étienne_(Loire)") == "saint etienne loire"
    assert fold_words("…") == ""


def test_countries_are_known_by_code_and_name() -> None:
    assert country_code("de") == country_code("DEU") == country_code("germany") == "DE"
    assert country_code("The Netherlands") == "NL"
    assert country_code("XX") is None
    assert country_code("") is None


def test_the_offline_geocoder_is_the_default_and_finds_the_city_of_an_address() -> None:
    geocoding = open_geocoding(Settings())
    draft = VenueDraft.model_validate({"name": "V", "city": "Lyon", "address": {"street": "Rue 1"}})
    found = geocoding.locate(draft, None)
    assert found is not None
    assert found.country == "FR"
    # A border town: the nearest city of all is another country's.
    draft = VenueDraft.model_validate({"name": "V", "city": "Strasbourg"})
    assert geocoding.country_at(draft, Location(lat=48.574, lon=7.81)) == "FR"
