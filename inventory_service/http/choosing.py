"""The route and models of choosing the best free block."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from inventory_service.domain.layout import MOST_SEATS_PER_BOOKING
from inventory_service.handlers.choose import Party, best_block
from inventory_service.http.common import inventory_of
from service_kit.models import MOST_MINOR, Int, Line, Minor, Model

router = APIRouter(prefix="/api/v1", tags=["inventory"])

Count = Annotated[Int, Field(ge=1, le=MOST_SEATS_PER_BOOKING)]
SectionId = Annotated[Line, Field(min_length=1, max_length=100)]
SeatType = Annotated[Line, Field(min_length=1, max_length=50)]


class Best(Model):
    """So many seats together, perhaps of a type or in a section."""

    count: Count
    seat_type: SeatType | None = None
    section: SectionId | None = None
    max_price: Minor | None = None

    def party(self) -> Party:
        seat_type = self.seat_type.lower() if self.seat_type else None
        return Party(self.count, seat_type, self.section, self.max_price)


class BestAnswer(Model):
    """`blocks` has the seats row by row: one block, or several neighbouring ones where no row has room for all.

    `cost` is 0 for the best spot of the hall and 1 for the seat farthest from it.
    """

    showtime_id: str
    version: int
    seat_ids: list[str]
    blocks: list[list[str]]
    together: bool
    cost: float


@router.get("/showtimes/{showtime_id}/seats/best")
async def get_best_block(
    showtime_id: str,
    request: Request,
    *,
    count: Annotated[int, Query(ge=1, le=MOST_SEATS_PER_BOOKING)],
    seat_type: Annotated[SeatType | None, Query(alias="seatType")] = None,
    section: Annotated[SectionId | None, Query()] = None,
    max_price: Annotated[int | None, Query(alias="maxPrice", ge=0, le=MOST_MINOR)] = None,
) -> BestAnswer:
    """The best free block of so many seats. It promises nothing: only a hold does."""
    inventory = inventory_of(request)
    party = Best(count=count, seat_type=seat_type, section=section, max_price=max_price).party()
    view, choice = await best_block(inventory, showtime_id, party)
    return BestAnswer(
        showtime_id=showtime_id,
        version=view.seat_map.version,
        seat_ids=view.layout.ids(choice.seats),
        blocks=[view.layout.ids(block) for block in choice.blocks],
        together=choice.together,
        cost=round(choice.cost, 4),
    )
