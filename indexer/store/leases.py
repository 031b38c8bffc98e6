"""Who may rebuild the index, and how far it is:

leases: { _id: "rebuild", owner, until, plan{names, done, read, filled} }
"""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from search_index.mapping import Kind
from service_kit.clock import Clock
from service_kit.errors import Conflict
from service_kit.mongo import Database

# Renewed every two seconds by a rebuild that lives.
REBUILD_LEASE = timedelta(seconds=10)
KEY = "rebuild"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class RebuildRunning(Conflict):
    slug, title = "rebuild-running", "The index is being rebuilt already"


@dataclass
class Plan:
    """A rebuild under way: the new index of each kind, the last id brought of each collection.

    `read` counts rows, `filled` those of them that are in the index.
    """

    names: dict[Kind, str]
    done: dict[str, str] = field(default_factory=dict)
    read: int = 0
    filled: int = 0


class Leases:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._leases: AsyncCollection[dict[str, Any]] = database["leases"]

    async def take(self, owner: str) -> Plan | None:
        """The right to rebuild, with what one that did not end has left. Raises RebuildRunning while another has it."""
        now = self._clock.now()
        try:
            found = await self._leases.find_one_and_update(
                {"_id": KEY, "$or": [{"owner": owner}, {"until": {"$lt": now}}]},
                {"$set": {"owner": owner, "until": self._soon()}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            raise RebuildRunning from error
        return Plan(**found["plan"]) if found and "plan" in found else None

    async def held_until(self) -> datetime | None:
        """Until when somebody has the right, unless it is renewed; None where nobody has it."""
        found = await self._leases.find_one({"_id": KEY})
        return found["until"] if found and found["until"] >= self._clock.now() else None

    async def renew(self, owner: str) -> None:
        await self._leases.update_one({"_id": KEY, "owner": owner}, {"$set": {"until": self._soon()}})

    async def keep(self, owner: str, plan: Plan) -> None:
        """Renew the right, and note how far it is. Raises RebuildRunning where another took over."""
        kept = await self._leases.update_one(
            {"_id": KEY, "owner": owner}, {"$set": {"until": self._soon(), "plan": asdict(plan)}}
        )
        if not kept.matched_count:
            raise RebuildRunning

    async def release(self, owner: str) -> None:
        """Give the right back; whoever takes it next goes on with the plan."""
        await self._leases.update_one({"_id": KEY, "owner": owner}, {"$set": {"until": LONG_AGO}})

    async def finish(self, owner: str) -> None:
        """It is done: there is nothing to go on with."""
        await self._leases.delete_one({"_id": KEY, "owner": owner})

    def _soon(self) -> datetime:
        return self._clock.now() + REBUILD_LEASE
