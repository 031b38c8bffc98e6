"""Keeping seats from public sale, and giving them back to it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from inventory_service.domain.access_codes import code_digest
from inventory_service.domain.blocking import MOST_BLOCKS, NotInBlock, TooManyBlocks, Which
from inventory_service.domain.layout import Layout, require_none_twice
from inventory_service.domain.seat_map import Block, SeatMap, SeatsTaken
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.evict import evict
from inventory_service.handlers.pauses import outlasting_pauses
from inventory_service.handlers.read import MapView, view_of
from service_kit.errors import NotFound

# Raises PreconditionFailed where the caller knows another version of the blocks than the present one.
Precondition = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class NewBlock:
    """`block_id` is the same again when a request is retried: then the block it made before is its own."""

    block_id: str
    showtime_id: str
    which: Which
    channel: str | None
    access_code: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block with the layout its seats are positions in. `version` counts the changes of all blocks of the map."""

    block: Block
    layout: Layout
    version: int


async def block_seats(inventory: Inventory, new: NewBlock) -> BlockView:
    """All these seats blocked or none.

    Raises NotFound, Invalid, UnknownSeats, SeatsTaken for seats that somebody has or that are blocked already,
    TooFewFree, TooManyBlocks, ShowtimeStarted, ShowtimeCancelled.
    """
    new.which.require_one_way()
    digest = await _digest(new)
    for _ in range(ATTEMPTS):
        view = await view_of(inventory, await _swept(inventory, new.showtime_id))
        seat_map, layout = view.seat_map, view.layout
        made_before = _find(seat_map, new.block_id)
        if made_before:
            return BlockView(made_before, layout, seat_map.block_version)
        seat_map.require_bookable(view.now)
        if len(seat_map.blocks) >= MOST_BLOCKS:
            raise TooManyBlocks
        unavailable = seat_map.occupied(view.now) | seat_map.closed()
        mask = new.which.pick(layout, unavailable)
        if mask & unavailable:
            raise SeatsTaken(seat_ids=layout.ids(mask & unavailable))
        block = Block(new.block_id, mask, view.now, new.channel, new.reason, digest)
        if await inventory.seat_maps.block(seat_map, block, view.now):
            return BlockView(block, layout, seat_map.block_version + 1)
    raise Contended


async def blocks_of(inventory: Inventory, showtime_id: str) -> tuple[list[BlockView], int]:
    """All blocks in the order of their making, and their version. Raises NotFound, NotOpenYet."""
    view = await _view(inventory, showtime_id)
    version = view.seat_map.block_version
    blocks = sorted(view.seat_map.blocks, key=lambda block: block.id)
    return [BlockView(block, view.layout, version) for block in blocks], version


async def block_of(inventory: Inventory, showtime_id: str, block_id: str) -> BlockView:
    """Raises NotFound, NotOpenYet."""
    view = await _view(inventory, showtime_id)
    return BlockView(_known(view.seat_map, block_id), view.layout, view.seat_map.block_version)


async def unblock_seats(
    inventory: Inventory,
    showtime_id: str,
    block_id: str,
    seat_ids: Sequence[str],
    require_version: Precondition,
    *,
    retried: bool,
) -> BlockView:
    """The block with the rest of its seats; one that has none left is gone. An earlier try may have been through.

    Raises NotFound, Invalid, UnknownSeats, NotInBlock, PreconditionFailed.
    """
    require_none_twice(seat_ids)
    for _ in range(ATTEMPTS):
        view = await view_of(inventory, await _resting(inventory, showtime_id))
        seat_map, layout = view.seat_map, view.layout
        block = _known(seat_map, block_id)
        mask = layout.mask(seat_ids)
        if retried and not mask & block.mask:
            return BlockView(block, layout, seat_map.block_version)
        require_version(seat_map.block_version)
        if mask & ~block.mask:
            raise NotInBlock(seat_ids=layout.ids(mask & ~block.mask))
        left = block.mask & ~mask
        if await inventory.seat_maps.unblock(seat_map, block, left, view.now):
            return BlockView(replace(block, mask=left), layout, seat_map.block_version + 1)
    raise Contended


async def remove_block(inventory: Inventory, showtime_id: str, block_id: str, require_version: Precondition) -> None:
    """Raises NotFound, PreconditionFailed."""
    for _ in range(ATTEMPTS):
        seat_map = await _resting(inventory, showtime_id)
        block = _known(seat_map, block_id)
        require_version(seat_map.block_version)
        if await inventory.seat_maps.unblock(seat_map, block, 0, inventory.now()):
            return
    raise Contended


async def _digest(new: NewBlock) -> str | None:
    if new.channel is None or new.access_code is None:
        return None
    return await asyncio.to_thread(code_digest, new.access_code, new.showtime_id, new.channel, new.block_id)


async def _outline(inventory: Inventory, showtime_id: str) -> SeatMap:
    """The map without its holds, of which there may be tens of thousands."""
    outlines = await inventory.seat_maps.outlines([showtime_id])
    if not outlines:
        # Says why there is none, or returns when there is one at last.
        await inventory.seat_map(showtime_id)
        outlines = await inventory.seat_maps.outlines([showtime_id])
    return outlines[0]


async def _resting(inventory: Inventory, showtime_id: str) -> SeatMap:
    """The same for who is going to change blocks: not while seats stand still for a move."""
    return await outlasting_pauses(partial(_outline, inventory, showtime_id), inventory.clock)


async def _view(inventory: Inventory, showtime_id: str) -> MapView:
    return await view_of(inventory, await _outline(inventory, showtime_id))


async def _swept(inventory: Inventory, showtime_id: str) -> SeatMap:
    """The outline where no hold has run out; else the whole map after evicting, since some may have escaped that."""
    outline = await _resting(inventory, showtime_id)
    if not outline.may_have_expired(inventory.now()):
        return outline
    seat_map = await inventory.seat_map(showtime_id)
    await evict(inventory.seat_maps, seat_map, inventory.now(), inventory.expire_bookings)
    return await inventory.seat_map(showtime_id)


def _find(seat_map: SeatMap, block_id: str) -> Block | None:
    return next((block for block in seat_map.blocks if block.id == block_id), None)


def _known(seat_map: SeatMap, block_id: str) -> Block:
    block = _find(seat_map, block_id)
    if block is None:
        raise NotFound("There is no such block")
    return block
