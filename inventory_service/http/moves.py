"""The route and models of moving a showtime to another layout version."""

from dataclasses import asdict
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from inventory_service.domain.bits import positions
from inventory_service.domain.layout import Layout
from inventory_service.domain.moving import MovePlan, Obstacle, Reason
from inventory_service.handlers.move import Move, move, plan_move
from inventory_service.http.common import inventory_of
from service_kit.auth import Admin
from service_kit.errors import Conflict
from service_kit.etags import etag, require_match
from service_kit.idempotency import IdempotentRoute
from service_kit.models import Int, Model

router = APIRouter(prefix="/api/v1", route_class=IdempotentRoute)

MOST_LISTED = 1_000


class LayoutMoveRefused(Conflict):
    """With all fields of the plan."""

    slug, title = "layout-move-refused", "The showtime can't be moved to this layout version"


class MoveLayout(Model):
    layout_version: Annotated[Int, Field(ge=1, le=1_000_000_000)]


class SeatCount(Model):
    """Places of sections with a capacity included."""

    before: int
    after: int


class ChangedSeat(Model):
    seat_id: str
    reasons: list[Reason]


class Counts(Model):
    added: int
    removed: int
    changed: int


class BookingAffected(Model):
    """`seat_ids`: those of its seats that are not the same afterwards; `blocking`: one of them is gone.

    `status` and `user_id` are missing for a hold whose booking is still being written.
    """

    booking_id: str
    status: str | None
    user_id: str | None
    seat_ids: list[str]
    reasons: list[Reason]
    blocking: bool


class BlockAffected(Model):
    """Seats that an admin keeps from sale, in the same way."""

    block_id: str
    channel: str | None
    seat_ids: list[str]
    reasons: list[Reason]
    blocking: bool


class PriceMissing(Model):
    """A section and a seat type of it that none of the showtime's tiers names."""

    section: str
    seat_type: str


class MoveAnswer(Model):
    """What a move does, or, once `applied`, did.

    `bookings` and `blocks` are complete; of `added`, `removed` and `changed` seats at most 1,000 are listed, `counts`
    are exact. `seats_in_the_way`: seats that are gone in the new layout and that somebody has or that are kept from
    sale. `seat_map_version`: of the seat map that was looked at; once applied, the one that it has since.
    """

    showtime_id: str
    hall_id: str
    from_: int = Field(alias="from")
    to: int
    applied: bool
    applies_cleanly: bool
    obstacles: list[Obstacle]
    seat_map_version: int
    seat_count: SeatCount
    added: list[str]
    removed: list[str]
    changed: list[ChangedSeat]
    counts: Counts
    bookings: list[BookingAffected]
    blocks: list[BlockAffected]
    seats_in_the_way: list[str]
    unpriced: list[PriceMissing]


@router.post("/showtimes/{showtime_id}/layout", tags=["inventory"], response_model_exclude_none=True)
async def move_layout(
    _: Admin,
    *,
    showtime_id: str,
    body: MoveLayout,
    request: Request,
    response: Response,
    dry_run: Annotated[bool, Query(alias="dryRun")] = False,
) -> MoveAnswer:
    """Move a showtime to another layout version of its hall, all or nothing; with `dryRun` only tell what that does.

    Held and sold seats keep their ids. With `If-Match` only if the seat map is at that version.
    """

    def precondition(version: int) -> None:
        require_match(request, etag(version))

    step = plan_move if dry_run else move
    outcome = await step(inventory_of(request), showtime_id, body.layout_version, precondition)
    answer = _answer(outcome)
    if not (outcome.done or dry_run):
        raise LayoutMoveRefused(**answer.model_dump(mode="json", by_alias=True, exclude_none=True))
    response.headers["ETag"] = etag(outcome.version)
    return answer


def _answer(outcome: Move) -> MoveAnswer:
    plan: MovePlan = outcome.plan
    transition = plan.transition
    before, after = transition.before, transition.after
    return MoveAnswer(
        showtime_id=plan.seat_map.showtime_id,
        hall_id=after.key.hall_id,
        from_=before.key.version,
        to=after.key.version,
        applied=outcome.done,
        applies_cleanly=not plan.obstacles,
        obstacles=plan.obstacles,
        seat_map_version=outcome.version,
        seat_count=SeatCount(before=len(before.seats), after=len(after.seats)),
        added=_first(after, transition.added),
        removed=_first(before, transition.removed),
        changed=[
            ChangedSeat(seat_id=before.seats[position].id, reasons=list(reasons))
            for position, reasons in islice(transition.changes.items(), MOST_LISTED)
        ],
        counts=Counts(
            added=transition.added.bit_count(),
            removed=transition.removed.bit_count(),
            changed=len(transition.changes),
        ),
        bookings=[BookingAffected(**asdict(booking)) for booking in plan.bookings],
        blocks=[BlockAffected(**asdict(block)) for block in plan.blocks],
        seats_in_the_way=plan.in_the_way,
        unpriced=[PriceMissing(section=section, seat_type=seat_type) for section, seat_type in transition.unpriced],
    )


def _first(layout: Layout, mask: int) -> list[str]:
    return [layout.seats[position].id for position in islice(positions(mask), MOST_LISTED)]
