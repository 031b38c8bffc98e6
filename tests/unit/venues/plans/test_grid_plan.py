"""Seats drawn as text: what is read and written, and each fault with its line and column."""

import pytest

from tests.unit.venues.plans.samples import assert_takes, ids, labels, places_of, points, types
from venues_service.domain.layouts import MOST_SEATS
from venues_service.domain.plans import NotGridLike, read_plan, write_plan

HALL = """\
; a small house
= key: R = recliner
[Stalls]
A: ##__PP
B: ##__WC

[circle | Upper circle]
= numbering: right-to-left
A: V.R V
"""


def test_a_drawing_is_read_row_by_row() -> None:
    layout = read_plan("grid", HALL.encode()).layout
    assert [(section["id"], section["name"]) for section in layout["sections"]] == [
        ("Stalls", "Stalls"),
        ("circle", "Upper circle"),
    ]
    assert labels(layout) == [["1", "2", "3", "4"], ["1", "2", "3", "4"], ["3", "2", "1"]]
    assert points(layout)[:5] == [(0, 0), (1, 0), (4, 0), (5, 0), (0, 1)]
    assert points(layout)[-3:] == [(0, 3), (2, 3), (4, 3)]
    assert types(layout) == {"standard": 4, "premium": 2, "wheelchair": 1, "companion": 1, "vip": 2, "recliner": 1}
    assert ids(layout)[-1] == "circle-A-1"
    assert_takes(layout)


def test_a_drawing_is_written_as_one_would_by_hand() -> None:
    layout = read_plan("grid", HALL.encode()).layout
    assert write_plan("grid", layout).decode() == (
        "= key: R = recliner\n[Stalls]\nA: ##__PP\nB: ##__WC\n"
        "[circle | Upper circle]\n= numbering: right-to-left\n\nA: V_R_V\n"
    )


def test_rows_without_labels_are_lettered_and_without_sections_in_the_hall() -> None:
    layout = read_plan("grid", b"##\n # #\n##\n").layout
    assert [row["label"] for row in layout["sections"][0]["rows"]] == ["A", "B", "C"]
    assert layout["sections"][0]["id"] == "Hall"
    assert points(layout) == [(0, 0), (1, 0), (1, 1), (3, 1), (0, 2), (1, 2)]


def test_letters_go_on_after_z() -> None:
    rows = read_plan("grid", b"#\n" * 53).layout["sections"][0]["rows"]
    assert [row["label"] for row in rows[25:28]] + [rows[-1]["label"]] == ["Z", "AA", "AB", "BA"]


@pytest.mark.parametrize(
    ("numbering", "expected"),
    [
        ("left-to-right", "1 2 3 4 5"),
        ("left-to-right from 7", "7 8 9 10 11"),
        ("right-to-left", "5 4 3 2 1"),
        ("right-to-left from 0", "4 3 2 1 0"),
        ("odd-even", "5 3 1 2 4"),
    ],
)
def test_seats_are_numbered_as_asked(numbering: str, expected: str) -> None:
    body = f"= numbering: {numbering}\nA: ##_###\n".encode()
    layout = read_plan("grid", body).layout
    assert labels(layout) == [expected.split()]
    assert read_plan("grid", write_plan("grid", layout)).layout == layout


def test_a_number_repeats_what_follows() -> None:
    assert points(read_plan("grid", b"A: 3#2_2V").layout) == [(0, 0), (1, 0), (2, 0), (5, 0), (6, 0)]


def test_empty_lines_are_room_between_rows_but_not_before_the_first() -> None:
    assert [y for _, y in points(read_plan("grid", b"\n\nA: #\n\n\nB: #\n\n").layout)] == [0, 3]


def test_origin_and_step_place_a_block_anywhere() -> None:
    body = b"[L]\n= step: 25, 30.5\n= origin: -100.25, 7\nA: #_#\nB: #\n[R]\n= origin: 900, 7\nA: #\n"
    layout = read_plan("grid", body).layout
    assert points(layout) == [(-100.25, 7), (-50.25, 7), (-100.25, 37.5), (900, 7)]
    assert read_plan("grid", write_plan("grid", layout)).layout == layout


def test_ids_follow_a_pattern() -> None:
    layout = read_plan("grid", b"= ids: S/{row}{seat}\nA: ##\n").layout
    assert ids(layout) == ["S/A1", "S/A2"]
    assert read_plan("grid", write_plan("grid", layout)).layout == layout


def test_windows_line_ends_and_a_byte_order_mark_are_no_fault() -> None:
    body = b"\xef\xbb\xbf" + HALL.replace("\n", "\r\n").encode()
    assert read_plan("grid", body).layout == read_plan("grid", HALL.encode()).layout


def test_a_label_may_hold_a_colon() -> None:
    layout = read_plan("grid", b"Box 1: left: ##\n").layout
    assert layout["sections"][0]["rows"][0]["label"] == "Box 1: left"
    assert read_plan("grid", write_plan("grid", layout)).layout == layout


def test_every_seat_type_can_be_drawn() -> None:
    names = "gold silver platinum gallery stalls standing sofa circle couple box balcony regular recliner restricted"
    lines = "section,row,seat,type\n" + "".join(f"S,A,{n},{name}\n" for n, name in enumerate(names.split(), 1))
    layout = read_plan("csv", lines.encode()).layout
    assert read_plan("grid", write_plan("grid", layout)).layout == layout


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("section,row,seat\nS,A,1\nS,A,3\n", "not numbered in turn"),
        ("section,row,seat\nS,A,1a\n", "not numbered in turn"),
        ("section,row,seat,id\nS,A,1,x\nS,A,2,y\n", "ids of section 'S' are not made of"),
        ("section,row,seat,x,y\nS,A,1,0,0\nS,A,2,1,0.5\n", "straight line"),
        ("section,row,seat,x,y\nS,A,2,1,0\nS,A,1,0,0\n", "straight line"),
        ("section,row,seat,x,y\nS,A,1,0,0\nS,A,2,1,0\nS,A,3,9000.0001,0\n", "evenly spaced"),
        ("section,row,seat\nS,;A,1\n", "label of row ';A'"),
        ("section,row,seat\nS | T,A,1\n", "has a bar in it"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(table: str, why: str) -> None:
    layout = read_plan("csv", table.encode()).layout
    with pytest.raises(NotGridLike, match=why.replace("(", "\\(")):
        write_plan("grid", layout)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1"),
        ("\n\n", "line 1"),
        ("; nothing\n[S]\n", "line 1"),
        ("A: ##\x07#\n", "line 1, column 6"),
        ("A: #\t#\n", "line 1, column 5"),
        ("A: ##?#\n", "line 1, column 6"),
        ("##x\n", "line 1, column 3"),
        ("A: #\nB: #q\n", "line 2, column 5"),
        ("A: #3\n", "line 1, column 5"),
        ("A: 0#\n", "line 1, column 5"),
        ("A: 999999999#\n", "line 1, column 13"),
        ("A: 60000#60000#\n", "line 1, column 15"),
        ("A: #\nA: #\n", "line 2"),
        (": #\n", "line 1"),
        ("x" * 101 + ": #\n", "line 1"),
        ("[S\nA: #\n", "line 1"),
        ("[]\nA: #\n", "line 1"),
        ("[$S]\nA: #\n", "line 1"),
        ("[S | " + "x" * 101 + "]\nA: #\n", "line 1"),
        ("[S]\nA: #\n[S]\nB: #\n", "line 3"),
        ("A: #\n[Hall]\nB: #\n", "line 2"),
        ("= colour: red\nA: #\n", "line 1"),
        ("= numbering\nA: #\n", "line 1"),
        ("= numbering: zigzag\nA: #\n", "line 1"),
        ("= numbering: odd-even from 3\nA: #\n", "line 1"),
        ("= key: ab = vip\nA: #\n", "line 1"),
        ("= key: 1 = vip\nA: #\n", "line 1"),
        ("= key: _ = vip\nA: #\n", "line 1"),
        ("= key: x = throne\nA: #\n", "line 1"),
        ("= key:\nA: #\n", "line 1"),
        ("= ids: {row}\nA: #\n", "line 1"),
        ("= step: 1\nA: #\n", "line 1"),
        ("= step: 0, 1\nA: #\n", "line 1"),
        ("= step: nan, 1\nA: #\n", "line 1"),
        ("= origin: 99999999, 1\nA: #\n", "line 1"),
        ("= origin: 1000001, 1\nA: #\n", "line 2, column 4"),
        (f"= step: 1, 1\n[{'s' * 60}]\n{'r' * 60}: #\n", "line 3, column 63"),
    ],
)
def test_a_fault_is_told_with_its_line_and_column(text: str, where: str) -> None:
    assert where in places_of("grid", text.encode())


def test_a_drawing_of_too_many_seats_is_refused_at_the_row_that_goes_beyond() -> None:
    body = b"".join(b"%d: 1000#\n" % n for n in range(MOST_SEATS // 1_000))
    assert len(ids(read_plan("grid", body).layout)) == MOST_SEATS
    assert places_of("grid", body + b"last: #\n") == [f"line {MOST_SEATS // 1_000 + 1}, column 7"]
