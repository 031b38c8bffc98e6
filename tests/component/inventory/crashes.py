"""Processes that die right after their n-th write, and processes that are overtaken before their n-th call, or all."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from inventory_service.handlers.context import Inventory
from inventory_service.store.bookings import Bookings
from inventory_service.store.code_uses import CodeUses
from inventory_service.store.seat_maps import SeatMaps
from service_kit.errors import DomainError

WRITES = frozenset(
    {"insert_one", "insert_many", "update_one", "update_many", "find_one_and_update", "bulk_write", "delete_one"}
)

Step = Callable[[Inventory], Awaitable[object]]


class Killed(BaseException):
    """Not an Exception: nothing in the service may catch its own death."""


class _Fuse:
    def __init__(self, writes: int) -> None:
        self.left = writes

    def burn(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed


class _Mortal:
    """A collection whose writes burn the fuse once they are done."""

    def __init__(self, collection: Any, fuse: _Fuse) -> None:
        self._collection = collection
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._collection, name)
        if name not in WRITES:
            return found

        async def write(*arguments: Any, **options: Any) -> Any:
            if self._fuse.left <= 0:  # a dead process writes nothing more
                raise Killed
            result = await found(*arguments, **options)
            self._fuse.burn()
            return result

        return write


def mortal_collection(collection: Any, writes: int) -> Any:
    """The same collection, to a process that dies after so many writes to it."""
    return _Mortal(collection, _Fuse(writes))


def mortal(inventory: Inventory, writes: int) -> Inventory:
    """The same service, in a process that dies after so many writes to seat maps, bookings and uses of codes."""
    fuse = _Fuse(writes)
    return replace(
        inventory,
        seat_maps=SeatMaps(_Mortal(inventory.seat_maps.collection, fuse)),  # type: ignore[arg-type]  # a stand-in
        bookings=Bookings(_Mortal(inventory.bookings.collection, fuse)),  # type: ignore[arg-type]  # a stand-in
        code_uses=CodeUses(_Mortal(inventory.code_uses.collection, fuse)),  # type: ignore[arg-type]  # a stand-in
    )


async def dies_after(inventory: Inventory, writes: int, step: Step) -> bool:
    """Run `step` in a process that dies after so many writes; whether it died before it was through."""
    with suppress(Killed):
        await step(mortal(inventory, writes))
        return False
    return True


class _Meddled:
    """A collection whose n-th call, reads included, has to wait until somebody else is through."""

    def __init__(self, collection: Any, turn: "_Turn") -> None:
        self._collection = collection
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._collection, name)
        if name not in WRITES | {"find_one"}:
            return found

        async def after_the_other(*arguments: Any, **options: Any) -> Any:
            await self._turn.take()
            return await found(*arguments, **options)

        return after_the_other


class _Turn:
    def __init__(self, at: int | None, other: Callable[[], Awaitable[object]]) -> None:
        self.calls = 0
        self.at = at
        self.other = other

    async def take(self) -> None:
        self.calls += 1
        if self.at in {None, self.calls}:
            await self.other()


async def meddled(inventory: Inventory, at: int, step: Step, other: Callable[[], Awaitable[object]]) -> bool:
    """Run `step` with all of `other` happening right before its n-th call; whether it made that many calls."""
    turn = _Turn(at, other)
    with suppress(DomainError):
        await step(_meddled_with(inventory, turn))
    return turn.calls >= at


async def pestered(inventory: Inventory, step: Step, other: Callable[[], Awaitable[object]]) -> None:
    """Run `step` with all of `other` happening right before each of its calls."""
    await step(_meddled_with(inventory, _Turn(None, other)))


def _meddled_with(inventory: Inventory, turn: _Turn) -> Inventory:
    return replace(
        inventory,
        seat_maps=SeatMaps(_Meddled(inventory.seat_maps.collection, turn)),  # type: ignore[arg-type]  # a stand-in
        bookings=Bookings(_Meddled(inventory.bookings.collection, turn)),  # type: ignore[arg-type]  # a stand-in
        code_uses=CodeUses(_Meddled(inventory.code_uses.collection, turn)),  # type: ignore[arg-type]  # a stand-in
    )
