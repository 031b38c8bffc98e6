"""Geocoding by a Nominatim server: a small one here that speaks its protocol."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service_kit.errors import Unavailable
from venues_service.config import Settings
from venues_service.domain.venues import VenueDraft
from venues_service.geocoding import Geocoding, open_geocoding


@contextmanager
def nominatim(places: dict[str, Any], asked: list[dict[str, str]], status: int = 200) -> Iterator[Geocoding]:
    """Knows `places` by street, or by city where no street is asked for; notes each query in `asked`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            asked.append(query)
            found = places.get(query.get("street") or query.get("city", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps([found] if found else []).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield open_geocoding(Settings(geocoder="nominatim", nominatim_url=url))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


REX = {"lat": "48.8706", "lon": "2.3475", "display_name": "Rex", "address": {"country_code": "fr"}}
PARIS = {"lat": "48.85", "lon": "2.35", "display_name": "Paris", "address": {"country_code": "fr"}}
DRAFT = VenueDraft.model_validate({"name": "Rex", "city": "Paris", "address": {"street": "1 Bd Poissonnière"}})


def test_the_street_is_asked_for_and_the_country_taken_from_the_answer() -> None:
    asked: list[dict[str, str]] = []
    with nominatim({"1 Bd Poissonnière": REX}, asked) as geocoding:
        found = geocoding.locate(DRAFT, None)
    assert found is not None
    assert (found.lat, found.lon, found.country) == (48.8706, 2.3475, "FR")
    assert (asked[0]["street"], asked[0]["city"]) == ("1 Bd Poissonnière", "Paris")


def test_a_street_that_the_map_has_not_leads_to_the_city() -> None:
    with nominatim({"Paris": PARIS}, []) as geocoding:
        found = geocoding.locate(DRAFT, "FR")
    assert found is not None
    assert found.lat == 48.85


def test_what_nobody_knows_is_not_found_and_a_server_in_trouble_is_no_answer() -> None:
    with nominatim({}, []) as geocoding:
        assert geocoding.locate(DRAFT, None) is None
    with nominatim({}, [], status=500) as geocoding, pytest.raises(Unavailable):
        geocoding.locate(DRAFT, None)
