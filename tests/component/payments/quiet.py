"""Payments that no worker looks at, in processes that die after their n-th call, or are overtaken at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from payment_service.domain.payment import Payment
from payment_service.handlers.payments import ATTENDING, Order, Payments
from payment_service.provider import Provider
from payment_service.store.payments import Store
from payment_service.stripe_provider import open_stripe
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from service_kit.mongo import open_database

if TYPE_CHECKING:
    from tests.component.payments.conftest import House


class Killed(BaseException):
    """Not an Exception: nothing in the service may catch its own death."""


class Mortal:
    """A store or a gateway in a process that dies after its n-th call, or at it is overtaken by somebody else."""

    def __init__(self, target: Any, fuse: Fuse) -> None:
        self._target = target
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name in {"name", "payments"}:
            return found

        async def call(*arguments: Any, **options: Any) -> Any:
            await self._fuse.before()
            result = await found(*arguments, **options)
            self._fuse.after()
            return result

        return call


@dataclass
class Fuse:
    """Burns with each call: dies after the `calls`-th where `meanwhile` is None, else lets that happen before it."""

    calls: int
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def before(self) -> None:
        self.calls -= 1
        if self.calls < 0 and not self.meanwhile:
            raise Killed
        if self.calls == 0 and self.meanwhile:
            await self.meanwhile()

    def after(self) -> None:
        if self.calls == 0 and not self.meanwhile:
            raise Killed


@dataclass
class Quiet:
    """Payments in a database that no worker looks at, with the real sandbox behind; time moves by hand."""

    house: House
    store: Store
    provider: Provider
    clock: ManualClock

    def process(self, fuse: Fuse | None = None) -> Payments:
        store, provider = (Mortal(each, fuse) if fuse else each for each in (self.store, self.provider))
        return Payments(store, provider, self.clock, timedelta(seconds=15))  # type: ignore[arg-type]  # stand-ins

    async def settle(self) -> None:
        """What the next worker makes of it, once the claims of the dead one have lapsed."""
        self.clock.advance(2 * ATTENDING)
        for _ in range(3):
            while await self.process().attend():
                pass
            self.clock.advance(timedelta(minutes=10))

    async def end_of(self, order: Order) -> Payment:
        await self.settle()
        payment = await self.store.of_booking(order.booking_id)
        assert payment is not None
        assert payment.due_at is None
        return payment


@asynccontextmanager
async def quiet_payments(house: House) -> AsyncIterator[Quiet]:
    async with (
        open_database(house.settings, f"quiet_{new_id()[-8:]}") as database,
        open_stripe(house.settings) as provider,
    ):
        store = Store(database)
        await store.prepare()
        yield Quiet(house, store, provider, ManualClock())
        await database.client.drop_database(database.name)
