"""Each kind of finding: when it is told, where, and of which seats."""

import pytest

from tests.unit.venues.plans.samples import codes, found, ids, labels, plan, row, seat, types, zone
from venues_service.domain.plans import PlanFormat, read_plan

LINE = [seat(str(n), x=n) for n in range(1, 6)]


def test_a_plain_plan_has_no_findings() -> None:
    assert read_plan("pretix", plan(zone(row(*LINE)))).findings == []


def test_two_seats_of_one_label_in_a_row_are_told_by_both_ids() -> None:
    twins = [seat("1", x=0, seat_guid="a"), seat("1", x=1, seat_guid="b")]
    (finding,) = found(read_plan("pretix", plan(zone(row(*twins)))), "duplicate-label")
    assert (finding.severity, finding.where, finding.seat_ids) == ("warning", "/zones/0/rows/0/seats/1", ["a", "b"])


def test_a_second_seat_of_an_id_gets_one_made_of_zone_row_and_number() -> None:
    twins = [seat("1", x=0, seat_guid="same"), seat("2", x=1, seat_guid="same")]
    result = read_plan("pretix", plan(zone(row(*twins))))
    assert ids(result.layout) == ["same", "Stalls-A-2"]
    (repaired,) = found(result, "repaired-id")
    assert (repaired.where, repaired.seat_ids) == ("/zones/0/rows/0/seats/1", ["Stalls-A-2"])
    assert "'same' is that of /zones/0/rows/0/seats/0" in repaired.message
    (told,) = found(result, "duplicate-seat-id")
    assert (told.severity, told.seat_ids) == ("warning", ["Stalls-A-2"])


def test_a_repair_never_takes_an_id_that_another_seat_of_the_file_has() -> None:
    seats = [
        seat("1", x=0, seat_guid="same"),
        seat("2", x=1, seat_guid="same"),
        seat("3", x=2, seat_guid="Stalls-A-2"),
    ]
    assert ids(read_plan("pretix", plan(zone(row(*seats)))).layout) == ["same", "Stalls-A-2-2", "Stalls-A-2"]


@pytest.mark.parametrize("guid", ["", "  ", "$where", "a\u0000b", "x" * 101, "a\u202eb"])
def test_an_id_that_a_layout_cannot_have_is_replaced(guid: str) -> None:
    result = read_plan("pretix", plan(zone(row(seat("1", seat_guid=guid)))))
    assert ids(result.layout) == ["Stalls-A-1"]
    assert codes(result) == {"repaired-id"}


def test_two_seats_at_one_place_are_an_error() -> None:
    seats = [*LINE, seat("9", x=3, seat_guid="late")]
    (finding,) = found(read_plan("pretix", plan(zone(row(*seats)))), "overlapping-seats")
    assert (finding.severity, finding.where) == ("error", "/zones/0/rows/0/seats/5")
    assert finding.seat_ids == ["late", "guid-3-3-0"]


def test_seats_nearer_than_a_seat_is_wide_are_a_warning() -> None:
    (finding,) = found(read_plan("pretix", plan(zone(row(*LINE, seat("9", x=3.2))))), "overlapping-seats")
    assert finding.severity == "warning"
    assert "0.2 apart" in finding.message


def test_seats_at_their_usual_distance_do_not_overlap() -> None:
    rows = [row(*(seat(str(n), x=n * 0.5, y=y) for n in range(30)), label=str(y)) for y in range(10)]
    assert read_plan("pretix", plan(zone(*rows))).findings == []


def rows_of(*spacings: float, count: int = 5) -> bytes:
    lines = [
        row(*(seat(str(n), x=n * spacing, y=y * 10) for n in range(count)), label=str(y))
        for y, spacing in enumerate(spacings)
    ]
    return plan(zone(*lines))


def test_a_row_spaced_unlike_the_others_is_odd() -> None:
    (finding,) = found(read_plan("pretix", rows_of(1, 1, 1, 1, 4)), "odd-row")
    assert finding.where == "/zones/0/rows/4"
    assert len(finding.seat_ids) == 5
    assert "4 apart, those of the other rows 1" in finding.message


def test_a_row_much_longer_than_the_others_is_odd() -> None:
    lines = [row(*(seat(str(n), x=n, y=y) for n in range(4)), label=str(y)) for y in range(4)]
    lines.append(row(*(seat(str(n), x=n, y=9) for n in range(40)), label="long"))
    (finding,) = found(read_plan("pretix", plan(zone(*lines))), "odd-row")
    assert "it has 40 seats, the other rows 4" in finding.message


def test_a_row_with_a_seat_gone_astray_is_odd() -> None:
    (finding,) = found(read_plan("pretix", plan(zone(row(*LINE, seat("6", x=600))))), "odd-row")
    assert "595 apart, most 1" in finding.message


def test_an_aisle_makes_no_row_odd() -> None:
    assert read_plan("grid", b"A: ####__####\nB: ####__####\nC: ##__##__##\nD: ####__####\n").findings == []


def walled(inner: str) -> bytes:
    """Row B between two standing rows, X and Z, whose seats stand one behind the other."""
    standing = [[seat(str(y), x=x, y=y - 2) for y in range(5)] for x in (0, 6)]
    between = [seat(str(x), x=x, y=0) for x in range(1, 6) if str(x) in inner]
    return plan(zone(row(*standing[0], label="X"), row(*between, label="B"), row(*standing[1], label="Z")))


def test_a_row_walled_in_at_both_ends_cannot_be_reached() -> None:
    (finding,) = found(read_plan("pretix", walled("12345")), "unreachable-row")
    assert (finding.severity, finding.where, len(finding.seat_ids)) == ("warning", "/zones/0/rows/1", 5)


@pytest.mark.parametrize("inner", ["1234", "1245", "3"])
def test_a_free_end_or_an_aisle_within_is_enough_to_reach_a_row(inner: str) -> None:
    assert "unreachable-row" not in codes(read_plan("pretix", walled(inner)))


def test_a_row_that_goes_on_in_the_next_block_is_reached_through_it() -> None:
    blocks = [
        zone(row(*(seat(str(n), x=n + left) for n in range(4))), name=name)
        for name, left in (("Left", 0), ("Middle", 4), ("Right", 8))
    ]
    assert read_plan("pretix", plan(*blocks)).findings == []


@pytest.mark.parametrize(
    ("cells", "alone"), [("##W##", 1), ("W", 1), ("CW", 0), ("WC", 0), ("W_C", 0), ("WCW", 0), ("WWC", 1)]
)
def test_a_wheelchair_space_wants_a_companion_beside_it(cells: str, alone: int) -> None:
    result = read_plan("grid", f"A: {cells}\n".encode())
    assert len(found(result, "wheelchair-without-companion")) == alone


def test_a_wheelchair_space_alone_is_told_with_its_place() -> None:
    (finding,) = read_plan("grid", b"A: ##W##\n").findings
    assert (finding.where, finding.seat_ids) == ("line 1, column 6", ["Hall-A-3"])


def test_a_category_that_the_plan_does_not_define_is_told() -> None:
    result = read_plan("pretix", plan(zone(row(seat(category="Ghost")))))
    (finding,) = found(result, "unknown-category")
    assert (finding.severity, finding.where) == ("warning", "/zones/0/rows/0/seats/0/category")


def test_a_category_named_like_a_seat_type_is_that_type() -> None:
    seats = [seat("1", category="VIP"), seat("2", x=1, category="wheelchair"), seat("3", x=2, category="Companion")]
    result = read_plan("pretix", plan(zone(row(*seats)), categories=("VIP", "wheelchair", "Companion")))
    assert types(result.layout) == {"vip": 1, "wheelchair": 1, "companion": 1}
    assert [section["id"] for section in result.layout["sections"]] == ["Stalls"]
    assert result.findings == []


def test_any_other_category_is_a_section_of_its_own_to_be_priced_by() -> None:
    seats = [seat("1", category="Category I"), seat("2", x=1, category="Category II"), seat("3", x=2)]
    result = read_plan("pretix", plan(zone(row(*seats)), categories=("Category I", "Category II", "Standard")))
    sections = [(section["id"], section["name"]) for section in result.layout["sections"]]
    assert sections == [("Stalls · Category I", "Stalls"), ("Stalls · Category II", "Stalls"), ("Stalls", "Stalls")]
    assert types(result.layout) == {"standard": 3}
    assert [finding.severity for finding in found(result, "named-category")] == ["info", "info"]


def test_a_type_that_a_table_misspells_is_told_and_the_seat_is_standard() -> None:
    result = read_plan("csv", b"section,row,seat,type\nS,A,1,premuim\nS,A,2,Premium\nS,A,3,premuim\n")
    (finding,) = found(result, "unknown-category")
    assert finding.where == "line 2, column 4"
    assert "2 seat(s)" in finding.message
    assert types(result.layout) == {"standard": 2, "premium": 1}


def test_further_rows_of_one_label_go_to_sections_of_their_own() -> None:
    rows = [row(seat("1", x=x, y=y), label=label) for x, y, label in ((0, 0, "A"), (0, 1, "B"), (9, 0, "A"))]
    result = read_plan("pretix", plan(zone(*rows)))
    assert [(section["id"], len(section["rows"])) for section in result.layout["sections"]] == [
        ("Stalls", 2),
        ("Stalls 2", 1),
    ]
    (finding,) = found(result, "repeated-row")
    assert finding.where == "/zones/0"


def test_a_second_zone_of_one_id_keeps_its_own_rows() -> None:
    result = read_plan("pretix", plan(zone(row(seat("1"))), zone(row(seat("2", x=1))), zone(row(seat("3", x=2)))))
    assert [section["id"] for section in result.layout["sections"]] == ["Stalls", "Stalls 2", "Stalls 3"]
    assert [finding.where for finding in found(result, "repeated-zone")] == ["/zones/1", "/zones/2"]


def test_rows_without_seats_are_left_out() -> None:
    assert "empty-row" in codes(read_plan("pretix", plan(zone(row(seat()), row(label="B")))))
    assert "empty-row" in codes(read_plan("grid", b"A: ##\nB: __\n"))


def test_rows_and_seats_without_a_number_get_their_place_in_turn() -> None:
    result = read_plan("pretix", plan(zone(row(seat(""), seat("", x=1), label=""))))
    assert labels(result.layout) == [["1", "2"]]
    assert result.layout["sections"][0]["rows"][0]["label"] == "Row 1"
    assert [finding.where for finding in found(result, "missing-label")] == [
        "/zones/0/rows/0",
        "/zones/0/rows/0/seats/0",
        "/zones/0/rows/0/seats/1",
    ]


def test_generated_positions_are_told() -> None:
    (finding,) = read_plan("csv", b"section,row,seat\nS,A,1\nS,A,2\n").findings
    assert (finding.severity, finding.code) == ("info", "generated-positions")


def test_what_cannot_be_kept_for_the_way_back_is_told() -> None:
    result = read_plan("pretix", plan(zone(row(seat()), areas=[{"shape": "hexagon"}, {"shape": "circle"}])))
    assert [finding.where for finding in found(result, "extras-dropped")] == ["/zones/0/areas/0"]
    assert result.extras["zones"][0]["areas"] == [{"shape": "circle"}]
    huge = [{"color": "x" * 1_000} for _ in range(1_100)]
    result = read_plan("pretix", plan(zone(row(seat()), areas=huge)))
    assert result.extras == {}
    assert codes(result) == {"extras-dropped"}


@pytest.mark.parametrize("plan_format", ["pretix", "csv", "grid"])
def test_findings_of_one_kind_are_cut_off_with_their_number(plan_format: PlanFormat) -> None:
    count = 1_500
    body = {
        "pretix": plan(zone(*(row(label=str(n)) for n in range(count)), row(seat()))),
        "csv": b"section,row,seat,type\n" + b"".join(b"S,A,%d,x%d\n" % (n, n) for n in range(count)),
        "grid": b"".join(b"%d: W\n" % n for n in range(count)),
    }[plan_format]
    result = read_plan(plan_format, body)
    assert 1_000 < len(result.findings) < 1_003
    assert any("more of these" in finding.message for finding in result.findings)


def test_the_gravest_findings_come_first() -> None:
    seats = [seat("1", seat_guid="a"), seat("2", x=1, seat_guid="a"), seat("2", x=1, seat_guid="c")]
    result = read_plan("pretix", plan(zone(row(*seats, seat("4", x=2), seat("5", x=3)))))
    assert [finding.severity for finding in result.findings] == ["error", "warning", "warning", "info"]


def test_a_finding_goes_over_the_wire_in_camel_case() -> None:
    (finding,) = read_plan("grid", b"A: W\n").findings
    assert finding.model_dump(by_alias=True) == {
        "severity": "warning",
        "code": "wheelchair-without-companion",
        "message": "No companion seat is next to this wheelchair space",
        "where": "line 1, column 4",
        "seatIds": ["Hall-A-1"],
    }
