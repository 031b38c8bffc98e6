"""Whatever the bytes, a file is read or refused: nothing else is ever raised."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest

from service_kit.errors import Invalid
from tests.unit.venues.plans.samples import assert_takes, plan, real_plan, row, seat, zone
from venues_service.domain.plans import MOST_BYTES, NotGridLike, PlanFormat, read_plan, write_plan

PRETIX = plan(
    zone(
        row(seat("1", category="VIP", radius=4), seat("2", x=1), position={"x": 3, "y": 4}),
        row(seat("1", y=1, category="Category I"), label="B", row_number_position="end"),
        areas=[{"shape": "rectangle", "rectangle": {"width": 1, "height": 2}, "position": {"x": 0, "y": 0}}],
    ),
    zone(row(seat("1", y=9), label="A"), name="Balcony"),
    categories=("VIP", "Standard", "Category I"),
    size={"width": 10, "height": 10},
)
CSV = b"section,section_name,row,seat,id,x,y,type\nS,Stalls,A,1,a,0,0,vip\nS,,A,2,b,1,0,standard\n'=T,,B,1,c,2,-2.5,\n"
GRID = b"= key: R = recliner\n= step: 2, 1.5\n[S | Stalls]\n= ids: {row}/{seat}\nA: ##_3RW\n\n= origin: -5, 9\nB: CV\n"
SEEDS: dict[PlanFormat, bytes] = {"pretix": PRETIX, "csv": CSV, "grid": GRID}
PIECES = [
    b"",
    b"\x00",
    b"\xff",
    b"\n",
    b"\r",
    b'"',
    b"'",
    b",",
    b":",
    b"[",
    b"]",
    b"=",
    b"9" * 9,
    b"-",
    b"\xc3\xa9",
    b"\t",
]
JUNK: list[Any] = [None, True, 0, -1, 10**30, 1e308, "", "x" * 200, "$", "\u202e", " ", [], {}, [[]], {"x": 1}, "VIP"]


def take_or_refuse(plan_format: PlanFormat, body: bytes) -> bool:
    """Reads the file; what is taken must be a sound layout that can be written in every format."""
    try:
        result = read_plan(plan_format, body)
    except Invalid:
        return False
    assert_takes(result.layout)
    assert read_plan("pretix", write_plan("pretix", result.layout, result.extras)).layout == result.layout
    assert read_plan("csv", write_plan("csv", result.layout)).layout == result.layout
    with suppress(NotGridLike):
        write_plan("grid", result.layout)
    return True


@pytest.mark.parametrize("plan_format", ["pretix", "csv", "grid"])
def test_mutated_files_are_taken_or_refused(plan_format: PlanFormat) -> None:
    chance = random.Random(plan_format)
    taken = 0
    for _ in range(2_000):
        body = bytearray(SEEDS[plan_format])
        for _ in range(chance.randint(1, 3)):
            start = chance.randrange(len(body))
            end = start + chance.choice([0, 0, 1, 1, 5, 40])
            body[start:end] = chance.choice([*PIECES, bytes([chance.randrange(256)]), bytes(body[:start][-30:])])
            body = body or bytearray(b"#")
        taken += take_or_refuse(plan_format, bytes(body))
    assert 50 < taken < 1_950


@pytest.mark.parametrize("plan_format", ["pretix", "csv", "grid"])
def test_random_bytes_are_refused_or_taken(plan_format: PlanFormat) -> None:
    chance = random.Random(7)
    for _ in range(1_000):
        take_or_refuse(plan_format, chance.randbytes(chance.randint(0, 200)))
        take_or_refuse(plan_format, "".join(chance.choices("#SPVWC._ :\n[]=;A19", k=60)).encode())


def test_plans_with_junk_in_any_place_are_taken_or_refused() -> None:
    chance = random.Random(11)
    taken = 0
    for _ in range(2_000):
        tree = json.loads(PRETIX)
        for _ in range(chance.randint(1, 2)):
            owner, key = chance.choice(list(_spots(tree)))
            if chance.random() < 0.2:
                del owner[key]
            else:
                owner[key] = chance.choice(JUNK)
            tree = tree or {"zones": []}
        taken += take_or_refuse("pretix", json.dumps(tree).encode())
    assert 50 < taken < 1_950


def _spots(tree: Any) -> Any:
    """Every (owner, key) of a JSON tree."""
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _spots(tree[key])


def test_a_real_plan_cut_off_anywhere_is_refused() -> None:
    body = real_plan("hall-738.json")
    for end in range(0, len(body) - 1, 997):
        with pytest.raises(Invalid):
            read_plan("pretix", body[:end])


@pytest.mark.parametrize("plan_format", ["pretix", "csv", "grid"])
def test_a_file_of_one_format_read_as_another_is_taken_or_refused(plan_format: PlanFormat) -> None:
    for body in (*SEEDS.values(), real_plan("theatre-1491.json")):
        take_or_refuse(plan_format, body)


@pytest.mark.parametrize("plan_format", ["pretix", "csv", "grid"])
def test_a_file_larger_than_16_mib_is_refused_before_it_is_read(plan_format: PlanFormat) -> None:
    with pytest.raises(Invalid) as refused:
        read_plan(plan_format, b"#" * (MOST_BYTES + 1))
    assert "16 MiB" in refused.value.faults[0][1]


@pytest.mark.parametrize("plan_format", ["csv", "grid"])
def test_a_file_of_endless_lines_is_refused(plan_format: PlanFormat) -> None:
    with pytest.raises(Invalid) as refused:
        read_plan(plan_format, b"#" + b"\n" * 1_000_001)
    assert refused.value.faults[0][0] == "line 1000001"
