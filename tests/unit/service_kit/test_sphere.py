"""Distances, next to those of geopy."""

import pytest
from geopy import distance
from hypothesis import given
from hypothesis import strategies as st

from service_kit.sphere import EARTH_RADIUS_METRES, great_circle

POINTS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(POINTS, POINTS)
def test_any_two_points_are_as_far_apart_as_geopy_says(one: tuple[float, float], other: tuple[float, float]) -> None:
    metres = distance.great_circle(one, other, radius=EARTH_RADIUS_METRES / 1_000).meters
    assert great_circle(one, other) == pytest.approx(metres, abs=0.2)
