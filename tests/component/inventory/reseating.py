"""Halls that are seated anew: other layout versions of the stage's hall, and the admin who moves showtimes to them."""

from collections.abc import Collection, Mapping
from typing import Any

import httpx2

from messaging.events import ShowtimeState
from tests.component.inventory.stage import Stage, seat_layout


def reseated(
    *,
    without: Collection[str] = (),
    first_row: Collection[str] = ("Z1", "Z2", "Z3", "Z4", "Z5"),
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The balcony before the stalls, each row from its other end, and a new row in front: no seat keeps its position.

    `changes` by seat id.
    """
    stalls, balcony = seat_layout()["sections"]
    for row in (*stalls["rows"], *balcony["rows"]):
        row["seats"] = [
            {**seat, **(changes or {}).get(seat["id"], {})}
            for seat in reversed(row["seats"])
            if seat["id"] not in without
        ]
    front = [
        {"id": id_, "label": id_[1:], "coordinates": {"x": number, "y": 0}, "seatType": "standard"}
        for number, id_ in enumerate(first_row)
    ]
    stalls["rows"].insert(0, {"label": "Z", "seats": front})
    return {"sections": [balcony, stalls]}


def publish(stage: Stage, showtime: ShowtimeState, version: int = 2, layout: dict[str, Any] | None = None) -> None:
    """Another layout version of the showtime's hall, which no showtime has yet."""
    stage.near.layouts[showtime.venue.venue_id, showtime.hall_id, str(version)] = layout or reseated()


async def ask_to_move(
    stage: Stage, showtime: ShowtimeState, version: int = 2, *, dry: bool = False, **headers: str
) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/showtimes/{showtime.showtime_id}/layout"
    query = {"dryRun": "true"} if dry else {}
    return await stage.buyer("admin").post(path, {"layoutVersion": version}, params=query, headers=named)


async def move(stage: Stage, showtime: ShowtimeState, version: int = 2) -> Any:
    answer = await ask_to_move(stage, showtime, version)
    assert answer.status_code == 200, answer.text
    return answer.json()
