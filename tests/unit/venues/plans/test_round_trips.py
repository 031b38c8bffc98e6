"""What we write, we read back the same."""

import csv
import io
import json
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings

from tests.unit.venues.plans.pretix_facts import PLAN_SCHEMA
from tests.unit.venues.plans.samples import assert_takes, grid_layouts, layouts
from venues_service.domain.plans import NotGridLike, read_plan, write_plan

patiently = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patiently
@given(layouts())
def test_any_layout_survives_pretix(layout: dict[str, Any]) -> None:
    body = write_plan("pretix", layout)
    jsonschema.Draft7Validator(PLAN_SCHEMA).validate(json.loads(body))
    assert read_plan("pretix", body).layout == layout


@patiently
@given(layouts())
def test_any_layout_survives_csv(layout: dict[str, Any]) -> None:
    assert read_plan("csv", write_plan("csv", layout)).layout == layout


@patiently
@given(layouts())
def test_no_cell_of_an_export_is_a_formula(layout: dict[str, Any]) -> None:
    for cells in csv.reader(io.StringIO(write_plan("csv", layout).decode(), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


@patiently
@given(layouts())
def test_a_grid_is_the_whole_truth_or_refused(layout: dict[str, Any]) -> None:
    try:
        body = write_plan("grid", layout)
    except NotGridLike:
        return
    assert read_plan("grid", body).layout == layout


@patiently
@given(grid_layouts())
def test_straight_rows_survive_a_grid(layout: dict[str, Any]) -> None:
    layout_read = read_plan("grid", write_plan("grid", layout)).layout
    assert layout_read == layout
    assert_takes(layout_read)


@patiently
@given(layouts())
def test_extras_of_a_plan_survive_with_it(layout: dict[str, Any]) -> None:
    first = read_plan("pretix", write_plan("pretix", layout))
    body = write_plan("pretix", first.layout, first.extras)
    assert read_plan("pretix", body) == first
