"""Routes and models of blocks: seats that admins keep from public sale."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from inventory_service.domain.blocking import Which
from inventory_service.handlers import blocks
from inventory_service.handlers.blocks import BlockView, NewBlock, Precondition
from inventory_service.http.choosing import SeatType, SectionId
from inventory_service.http.common import AccessCode, ChannelName, SeatId, inventory_of
from service_kit.auth import Admin
from service_kit.errors import Invalid
from service_kit.etags import answer_304, etag, not_modified, require_match
from service_kit.idempotency import IdempotentRoute, is_retry, resource_id
from service_kit.models import Int, Line, Model, Moment
from service_kit.pages import Page, PageRequest, cut, link_next

router = APIRouter(prefix="/api/v1/showtimes/{showtime_id}/blocks", tags=["blocks"], route_class=IdempotentRoute)

# The largest house.
MOST_SEATS = 100_000
ManySeatIds = Annotated[list[SeatId], Field(min_length=1, max_length=MOST_SEATS)]


def _precondition(request: Request) -> Precondition:
    return lambda version: require_match(request, etag(version))


IfMatch = Annotated[Precondition, Depends(_precondition)]


class BlockSeats(Model):
    """The seats `seatIds`; or all of a `section`, of a `seatType`, or of both; or the last `count` free places of a
    `section` with a capacity.
    """

    seat_ids: ManySeatIds | None = None
    section: SectionId | None = None
    seat_type: SeatType | None = None
    count: Annotated[Int, Field(ge=1, le=MOST_SEATS)] | None = None
    channel: ChannelName | None = None
    access_code: AccessCode | None = None
    reason: Annotated[Line, Field(max_length=500)] = ""

    def which(self) -> Which:
        seat_type = self.seat_type.lower() if self.seat_type is not None else None
        return Which(self.seat_ids, self.section, seat_type, self.count)


class UnblockSeats(Model):
    seat_ids: ManySeatIds


class BlockAnswer(Model):
    """`has_access_code`: whether somebody who is neither admin nor service may buy with one."""

    block_id: str
    showtime_id: str
    seat_ids: list[str]
    channel: str | None
    has_access_code: bool
    reason: str | None
    made_at: Moment


@router.post("", status_code=201)
async def block_seats(
    showtime_id: str, body: BlockSeats, request: Request, response: Response, _: Admin
) -> BlockAnswer:
    """Keep all these seats from public sale, or none."""
    if body.access_code is not None and body.channel is None:
        raise Invalid("An access code opens a channel", faults=[("/accessCode", "only with a channel")])
    new = NewBlock(resource_id(request), showtime_id, body.which(), body.channel, body.access_code, body.reason)
    view = await blocks.block_seats(inventory_of(request), new)
    response.headers["Location"] = f"/api/v1/showtimes/{showtime_id}/blocks/{view.block.id}"
    response.headers["ETag"] = etag(view.version)
    return _answer(showtime_id, view)


@router.get("", response_model=Page[BlockAnswer])
async def list_blocks(
    showtime_id: str, request: Request, response: Response, paging: PageRequest, _: Admin
) -> Page[BlockAnswer] | Response:
    """All blocks of the showtime, in the order of their making."""
    views, version = await blocks.blocks_of(inventory_of(request), showtime_id)
    if not_modified(request, etag(version)):
        return answer_304(etag(version))
    after = paging.after(str)
    following = [view for view in views if after is None or view.block.id > after[0]]
    shown, next_cursor = cut(following, paging.limit, lambda view: [view.block.id])
    response.headers["ETag"] = etag(version)
    link_next(request, response, next_cursor)
    return Page(items=[_answer(showtime_id, view) for view in shown], next_cursor=next_cursor)


@router.get("/{block_id}", response_model=BlockAnswer)
async def get_block(
    showtime_id: str, block_id: str, request: Request, response: Response, _: Admin
) -> BlockAnswer | Response:
    view = await blocks.block_of(inventory_of(request), showtime_id, block_id)
    tag = etag(view.version)
    if not_modified(request, tag):
        return answer_304(tag)
    response.headers["ETag"] = tag
    return _answer(showtime_id, view)


@router.delete("/{block_id}", status_code=204)
async def remove_block(showtime_id: str, block_id: str, request: Request, if_match: IfMatch, _: Admin) -> None:
    """Put all seats of the block on sale."""
    await blocks.remove_block(inventory_of(request), showtime_id, block_id, if_match)


@router.post("/{block_id}/unblock")
async def unblock_seats(
    showtime_id: str,
    block_id: str,
    body: UnblockSeats,
    *,
    request: Request,
    response: Response,
    if_match: IfMatch,
    _: Admin,
) -> BlockAnswer:
    """Put these seats of the block on sale. The answer has the rest; where there is none, the block is gone."""
    view = await blocks.unblock_seats(
        inventory_of(request), showtime_id, block_id, body.seat_ids, if_match, retried=is_retry(request)
    )
    response.headers["ETag"] = etag(view.version)
    return _answer(showtime_id, view)


def _answer(showtime_id: str, view: BlockView) -> BlockAnswer:
    block = view.block
    return BlockAnswer(
        block_id=block.id,
        showtime_id=showtime_id,
        seat_ids=view.layout.ids(block.mask),
        channel=block.channel,
        has_access_code=block.code_digest is not None,
        reason=block.reason or None,
        made_at=block.made_at,
    )
