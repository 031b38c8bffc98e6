"""A data folder with faults is refused as a whole, naming file and line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from marquee.seed.command import SHIPPED_DATA
from marquee.seed.records import DataFault, read_collection

VENUES = "id,name,kind,city,country,lat,lon,timezone,screens,layout,source,licence\n"
GOOD_VENUE = "a:1,Rex,cinema,Nantes,FR,47.2,-1.5,Europe/Paris,2,,own,CC0\n"
TITLES = "id,name,category,source,licence\n"
GOOD_TITLE = "t:1,Jaws,movie,own,CC0\n"


def folder(at: Path, venues: str = VENUES + GOOD_VENUE, titles: str = TITLES + GOOD_TITLE) -> Path:
    (at / "venues.csv").write_text(venues, encoding="utf-8")
    (at / "titles.csv").write_text(titles, encoding="utf-8")
    return at


def layout_with(*seats: dict[str, Any]) -> dict[str, Any]:
    return {"sections": [{"id": "s", "name": "S", "rows": [{"label": "A", "seats": list(seats)}]}]}


def test_a_folder_of_ones_own_needs_only_the_columns_without_a_default(tmp_path: Path) -> None:
    collection = read_collection(folder(tmp_path))
    assert [venue.name for venue in collection.venues] == ["Rex"]
    assert collection.titles[0].runtime_min is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("47.2", "97.2", "lat"),
        ("47.2", "nan", "lat"),
        ("Europe/Paris", "Europe/Nantes", "time zone"),
        ("cinema", "pub", "kind"),
        (",FR,", ",France,", "country"),
        ("own,CC0", "own,CC0,more", "number of fields"),
        ("CC0\n", "CC0\na:1,Rex,cinema,Brest,FR,48.4,-4.5,Europe/Paris,1,,own,CC0\n", "in line 2 already"),
        (",2,,own", ",2,grand,own", "no layouts/grand.json"),
        ("Rex", "", "name"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(DataFault) as fault:
        read_collection(folder(tmp_path, venues=VENUES + GOOD_VENUE.replace(old, new)))
    line = 3 if "already" in said else 2
    assert f"venues.csv:{line}: " in str(fault.value)
    assert said in str(fault.value)


def test_an_unknown_column_is_no_silent_loss(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"titles.csv:2: rating: "):
        read_collection(folder(tmp_path, titles="id,name,category,source,licence,rating\nt:1,Jaws,movie,own,CC0,12\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"venues.csv: cannot be read"):
        read_collection(tmp_path)


def test_many_faults_are_told_as_twenty_and_a_number(tmp_path: Path) -> None:
    bad = "".join(f"a:{number},Rex,pub,Nantes,FR,47.2,-1.5,Europe/Paris,2,,own,CC0\n" for number in range(30))
    with pytest.raises(DataFault, match="and 10 more"):
        read_collection(folder(tmp_path, venues=VENUES + bad))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (layout_with(), "row A: has no seat"),
        (layout_with({"id": "1", "seatType": "throne"}), "unknown seat type 'throne'"),
        (layout_with(*[{"id": "1", "seatType": "standard"}] * 2), "seat id 1 occurs 2 times"),
        ({"rows": []}, "is not a layout"),
        ("[", "cannot be read"),
    ],
)
def test_a_broken_layout_is_refused_before_anything_is_sent(tmp_path: Path, layout: Any, said: str) -> None:
    (tmp_path / "layouts").mkdir()
    text = layout if isinstance(layout, str) else json.dumps(layout)
    (tmp_path / "layouts" / "odd.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataFault) as fault:
        read_collection(folder(tmp_path))
    assert "odd.json" in str(fault.value)
    assert said in str(fault.value)


def test_a_copy_of_the_shipped_folder_is_a_valid_path(tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED_DATA, tmp_path / "copy")
    assert len(read_collection(copy).venues) == len(read_collection(SHIPPED_DATA).venues)
