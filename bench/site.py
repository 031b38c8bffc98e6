"""What all measurements of one run share: one MongoDB, one inventory, one report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.asks import SHARE
from bench.engines import Engine
from bench.figures import Meter, callers_meter
from bench.neighbours import Neighbours, neighbours
from bench.race import WARM_SECONDS
from bench.table import Report, Run
from inventory_service.app import open_inventory
from inventory_service.config import Settings
from inventory_service.handlers.context import Inventory
from service_kit.ids import new_id
from service_kit.mongo import Database, open_database


@dataclass(frozen=True)
class Site:
    settings: Settings
    database: Database
    inventory: Inventory
    near: Neighbours
    mongo_pid: int
    seconds: float
    repeats: int
    report: Report

    async def compare(self, ways: Mapping[str, Run]) -> None:
        await self.report.compare(ways, self.repeats)

    def meter(self, **groups: int) -> Meter:
        """Of this process as the callers, of MongoDB as the engine unless another is named, and of others by pid."""
        return callers_meter({"engine": self.mongo_pid, **groups})

    def houses(self, per_second: int, pairs: int) -> int:
        """How many houses a way needs that holds at most so many pairs a second."""
        return int(per_second * (WARM_SECONDS + self.seconds) / max(1, int(pairs * SHARE))) + 1


@asynccontextmanager
async def open_site(engine: Engine, seconds: float, repeats: int, report: Report) -> AsyncIterator[Site]:
    """On databases of its own, which are dropped at the end."""
    async with AsyncExitStack() as stack:
        near = await stack.enter_async_context(neighbours())
        settings = Settings.model_validate(
            {
                "mongo_url": engine.url,
                "namespace": f"bench{new_id()[-8:]}",
                "jwks_url": near.jwks_url,
                "venues_url": near.url,
                "ticket_secret": "a secret for benchmarks",
                "limits": "off",
                "log_level": "WARNING",
            }
        )
        database = await stack.enter_async_context(open_database(settings, "inventory"))
        stack.push_async_callback(database.client.drop_database, database.name)
        inventory = await stack.enter_async_context(open_inventory(settings, database))
        yield Site(settings, database, inventory, near, engine.pid, seconds, repeats, report)
