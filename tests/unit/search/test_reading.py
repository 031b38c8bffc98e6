"""Distances, boxes, times and cursors as they are read."""

import base64
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_service.cursor import Cursor, CursorSigner
from search_service.domain import Bound, Box, check_order, parse_bound, parse_box, parse_distance
from search_service.tiles import MOST_FEATURES, grid_precision
from service_kit.errors import Invalid
from service_kit.pages import BadCursor

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "metres"),
    [("10km", 10_000), ("5mi", 8_046.72), ("500m", 500), ("0.5 km", 500), ("1KM", 1_000), ("20000km", 20_000_000)],
)
def test_a_distance_is_a_number_and_a_unit(text: str, metres: float) -> None:
    assert parse_distance(text) == pytest.approx(metres, rel=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "km",
        "0km",
        "0.0001m",
        "-5km",
        "nankm",
        "infkm",
        "1e3km",
        "20001km",
        "1000000km",
        "10 parsecs",
        "10km;",
        "٣km",
    ],
)
def test_what_is_no_distance_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_distance(text)


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "a,b,c,d", "nan,0,1,1", "0,inf,1,1", "0,5,1,4", "0,0,1,91", "-181,0,1,1", "1,0,1,1", "0,1,2,1"],
)
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_box(text)


def test_a_box_may_span_the_date_line() -> None:
    assert parse_box("170,-20,-170,-10") == Box(170, -20, -170, -10)


def test_a_date_is_the_whole_day_at_the_venue() -> None:
    start, end = parse_bound("2026-12-24", end=False), parse_bound("2026-12-24", end=True)
    assert isinstance(start, Bound)
    assert isinstance(end, Bound)
    assert not start.zoned
    assert start.at.isoformat() == "2026-12-24T00:00:00"
    assert end.at.isoformat() == "2026-12-24T23:59:59.999999"


def test_a_time_with_an_offset_is_one_moment_even_when_its_plus_arrived_as_a_blank() -> None:
    moment = parse_bound("2026-12-24T19:30:00+01:00", end=False)
    assert isinstance(moment, Bound)
    assert moment.zoned
    assert moment.at == datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
    assert parse_bound("2026-12-24T19:30:00 01:00", end=False) == moment


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-12-24T25:00", "0001-01-01T00:00:00+14:00", "2026"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Write a date"):
        parse_bound(text, end=False)


def test_an_end_before_the_start_is_refused() -> None:
    day = parse_bound("2026-12-24", end=False)
    check_order(day, parse_bound("2026-12-24", end=True), NOW)
    with pytest.raises(Invalid):
        check_order(day, parse_bound("2026-12-23", end=True), NOW)


def test_a_date_and_a_moment_may_be_as_far_apart_as_clocks_are() -> None:
    day = parse_bound("2026-12-24", end=False)
    check_order(day, parse_bound("2026-12-23T11:00:00Z", end=True), NOW)
    with pytest.raises(Invalid):
        check_order(day, parse_bound("2026-12-23T09:00:00Z", end=True), NOW)


def test_a_cursor_is_read_back_by_who_signed_it() -> None:
    cursor = Cursor("abc", NOW, "similar", [1.5, 9_223_372_036_854_775_807, "id"])
    assert CursorSigner(b"key").read(CursorSigner(b"key").write(cursor), "abc") == cursor


def test_a_cursor_of_another_key_or_another_search_is_refused() -> None:
    text = CursorSigner(b"key").write(Cursor("abc", NOW, "all", [1]))
    with pytest.raises(BadCursor):
        CursorSigner(b"other").read(text, "abc")
    with pytest.raises(BadCursor):
        CursorSigner(b"key").read(text, "abd")


@given(st.binary(max_size=80), st.text(max_size=40))
def test_no_made_up_cursor_is_taken(raw: bytes, text: str) -> None:
    for forged in (base64.urlsafe_b64encode(raw).decode(), text):
        with pytest.raises(BadCursor):
            CursorSigner(b"key").read(forged, "abc")


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(-85, 85), st.floats(-85, 85), st.integers(0, 24))
def test_the_tiles_of_any_box_at_any_zoom_fit_into_one_map(
    west: float, east: float, one: float, other: float, zoom: int
) -> None:
    south, north = sorted((one, other))
    tiles = 1 << grid_precision(Box(west, south, east, north), zoom)
    assert tiles <= 1 << (zoom + 2)

    def column(lon: float) -> int:
        return min(tiles - 1, int((lon + 180) / 360 * tiles))

    def row(lat: float) -> int:
        angle = math.radians(lat)
        return min(tiles - 1, int((1 - math.log(math.tan(angle) + 1 / math.cos(angle)) / math.pi) / 2 * tiles))

    columns = (column(east) - column(west)) % tiles + 1 if west < east else tiles - column(west) + column(east) + 1
    assert min(columns, tiles) * (row(south) - row(north) + 1) <= MOST_FEATURES
