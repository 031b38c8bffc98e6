"""Seats as a table: what is read, and each fault with its line."""

import csv
import io

import pytest

from tests.unit.venues.plans.samples import assert_takes, faults_of, ids, labels, places_of, points, types
from venues_service.domain.layouts import MOST_SEATS
from venues_service.domain.plans import read_plan, write_plan

PLAIN = "section,row,seat,id,x,y,type\nStalls,A,1,s1,0,0,standard\nStalls,A,2,s2,1.5,0,VIP\nBalcony,A,1,s3,0,-9,\n"


def test_each_line_is_a_seat() -> None:
    layout = read_plan("csv", PLAIN.encode()).layout
    assert ids(layout) == ["s1", "s2", "s3"]
    assert points(layout) == [(0, 0), (1.5, 0), (0, -9)]
    assert types(layout) == {"standard": 2, "vip": 1}
    assert [section["name"] for section in layout["sections"]] == ["Stalls", "Balcony"]
    assert_takes(layout)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        "\n\n" + PLAIN.replace("\n", "\n\n,,\n"),
        PLAIN.replace("Stalls", '"Stalls"').replace("section,row", '"section", Row'),
        PLAIN.replace("section,row,seat,id,x,y,type", "Zone,ROW_NUMBER,Seat Label,guid,X,Y,Seat Type"),
        PLAIN.replace("1.5", " 1.50 "),
        PLAIN.replace(",", ";").replace("1.5", "1,5"),
        PLAIN.rstrip("\n"),
    ],
)
def test_spreadsheets_may_write_it_their_way(text: str) -> None:
    assert read_plan("csv", text.encode()).layout == read_plan("csv", PLAIN.encode()).layout


def test_columns_may_stand_in_any_order_and_rows_be_mixed() -> None:
    layout = read_plan("csv", b"seat,section,row\n1,S,A\n1,S,B\n2,S,A\n").layout
    assert labels(layout) == [["1", "2"], ["1"]]


def test_without_ids_they_are_made_of_section_row_and_seat() -> None:
    assert ids(read_plan("csv", b"section,row,seat\nS,A,1\nS,B,1\n").layout) == ["S-A-1", "S-B-1"]


def test_without_positions_seats_stand_in_rows_with_room_between_sections() -> None:
    layout = read_plan("csv", b"section,row,seat\nS,A,1\nS,A,2\nS,B,1\nT,A,1\n").layout
    assert points(layout) == [(0, 0), (1, 0), (0, 1), (0, 3)]


def test_a_section_may_have_a_name_beside_its_id() -> None:
    layout = read_plan("csv", b"section,section_name,row,seat\ns,Stalls,A,1\ns,,A,2\n").layout
    assert (layout["sections"][0]["id"], layout["sections"][0]["name"]) == ("s", "Stalls")


def test_quoted_cells_may_hold_delimiters_and_quotes() -> None:
    layout = read_plan("csv", b'section,row,seat\n"Stalls, left","A ""1""",1\n').layout
    assert (layout["sections"][0]["id"], layout["sections"][0]["rows"][0]["label"]) == ("Stalls, left", 'A "1"')


def test_cells_that_look_like_formulas_are_plain_text_both_ways() -> None:
    layout = read_plan("csv", b"section,row,seat,x,y\n=cmd|x,+1,@A1,-3,-4\n").layout
    assert layout["sections"][0]["id"] == "=cmd|x"
    cells = list(csv.reader(io.StringIO(write_plan("csv", layout).decode(), newline="")))[1]
    assert cells == ["'=cmd|x", "'=cmd|x", "'+1", "'@A1", "'=cmd|x-+1-@A1", "'-3.0", "'-4.0", "standard"]
    assert read_plan("csv", write_plan("csv", layout)).layout == layout


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "line 1"),
        (b"\n \r\n", "line 1"),
        (b"\xef\xbb\xbf", "line 1"),
        (PLAIN.encode("utf-16"), "line 1"),
        (PLAIN.encode("utf-16-le"), "line 1"),
        ("section,row,seat\nS,A,1\nS\xe9,A,2\n".encode("latin-1"), "line 3, column 2"),
        (b"section,row,seat\nS,A,\x07\n", "line 2, column 5"),
        (b"section,row,seat\nS,A\x00,1\n", "line 1"),
        (b"section,row,seat\n", "line 1"),
        (b"section,row\nS,A\n", "line 1"),
        (b"section,row,seat,price\nS,A,1,5\n", "line 1, column 4"),
        (b"section,row,seat,row\nS,A,1,A\n", "line 1, column 4"),
        (b"S,A,1\n", "line 1, column 1"),
        (b"section,row,seat\nS,A,1,7\n", "line 2"),
        (b"section,row,seat\nS,,1\n", "line 2, column 2"),
        (b"section,row,seat\nS,A\n", "line 2, column 3"),
        (b"section,row,seat\n$S,A,1\n", "line 2, column 1"),
        (b"section,row,seat\nS,A,%s\n" % (b"1" * 101), "line 2, column 3"),
        (b'section,row,seat\nS,"A\nB",1\n', "line 2, column 2"),
        (b'section,row,seat\nS,A,"1\n', "line 2"),
        (b'section,row,seat\nS,A,1\n\nS,A,"2"3\n', "line 4"),
        (b'section,row,seat\nS,A,"%s"\n' % (b"x" * 200_000), "line 2"),
        (b"section,row,seat,x,y\nS,A,1,1,\n", "line 2"),
        (b"section,row,seat,x,y\nS,A,1,1,1\nS,A,2,,\n", "line 3"),
        (b"section,row,seat,x,y\nS,A,1,one,1\n", "line 2, column 4"),
        (b"section,row,seat,x,y\nS,A,1,1,NaN\n", "line 2, column 5"),
        (b"section,row,seat,x,y\nS,A,1,inf,1\n", "line 2, column 4"),
        (b"section,row,seat,x,y\nS,A,1,1_0,1\n", "line 2, column 4"),
        (b"section,row,seat,x,y\nS,A,1,1e999,1\n", "line 2"),
        (b"section,row,seat,x,y\nS,A,1,1000001,1\n", "line 2"),
        ("section,row,seat,x,y\nS,A,1,\N{ARABIC-INDIC DIGIT ONE},1\n".encode(), "line 2, column 4"),
        (b"section,section_name,row,seat\ns,Stalls,A,1\ns,Circle,A,2\n", "line 3, column 2"),
        (b"section,section_name,row,seat\ns,%s,A,1\n" % (b"x" * 101), "line 2, column 2"),
        (b"section,row,seat\n%s,%s,1\n" % (b"s" * 60, b"r" * 60), "line 2"),
    ],
)
def test_a_fault_is_told_with_its_line(body: bytes, where: str) -> None:
    assert where in places_of("csv", body)


def test_a_wrong_encoding_is_told_in_plain_words() -> None:
    ((_, message),) = faults_of("csv", "section,row,seat\nBalcón,A,1".encode("latin-1"))
    assert message == "This is not UTF-8 (perhaps Latin-1 or Windows-1252); save the file as UTF-8"


def test_one_seat_listed_twice_is_a_fault_for_it_would_be_sold_twice() -> None:
    assert faults_of("csv", b"section,row,seat\nS,A,1\nS,A,1\n") == [
        ("line 3", "Seat 'S-A-1' is listed twice, first at line 2")
    ]
    assert places_of("csv", b"section,row,seat,id\nS,A,1,x\nS,A,1,x\n") == ["line 3"]


def test_two_seats_of_one_id_are_repaired() -> None:
    assert ids(read_plan("csv", b"section,row,seat,id\nS,A,1,x\nS,A,2,x\n").layout) == ["x", "S-A-2"]


def test_a_table_of_as_many_seats_as_a_hall_may_have_is_taken_and_one_more_refused() -> None:
    head = b"section,row,seat,x,y\n"
    lines = [b"S,%d,%d,%d,%d\n" % (n // 100, n % 100, n % 100, n // 100) for n in range(MOST_SEATS + 1)]
    assert len(ids(read_plan("csv", head + b"".join(lines[:-1])).layout)) == MOST_SEATS
    assert places_of("csv", head + b"".join(lines)) == [f"line {MOST_SEATS + 2}"]
