"""What every route module of the service needs."""

from typing import Annotated

from fastapi import Request
from pydantic import Field

from inventory_service.handlers.context import Inventory
from service_kit.models import Line

SeatId = Annotated[str, Field(min_length=1, max_length=100)]
# Read before the rule "at most 10 seats" can answer; far above it, far below what could hurt.
SeatIds = Annotated[list[SeatId], Field(max_length=1_000)]

ChannelName = Annotated[str, Field(max_length=50, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
AccessCode = Annotated[Line, Field(min_length=8, max_length=100)]


def inventory_of(request: Request) -> Inventory:
    inventory: Inventory = request.app.state.inventory
    return inventory
