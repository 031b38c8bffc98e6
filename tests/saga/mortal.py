"""A database in the hands of a process that may die right after any of its writes."""

from __future__ import annotations

import math
from typing import Any, cast

from service_kit.mongo import Database
from tests.component.inventory.crashes import WRITES, Killed


class Fuse:
    """How many writes the process has left; without end until it is lit."""

    def __init__(self) -> None:
        self.left: float = math.inf

    @property
    def burnt(self) -> bool:
        return self.left <= 0

    def light(self, writes: int) -> None:
        self.left = writes

    def burn(self) -> None:
        self.left -= 1
        if self.burnt:
            raise Killed


class _Collection:
    def __init__(self, collection: Any, fuse: Fuse) -> None:
        self._collection = collection
        self._fuse = fuse

    def with_options(self, **options: Any) -> _Collection:
        return _Collection(self._collection.with_options(**options), self._fuse)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._collection, name)
        if name not in WRITES:
            return found

        async def write(*arguments: Any, **options: Any) -> Any:
            if self._fuse.burnt:  # a dead process writes nothing more
                raise Killed
            result = await found(*arguments, **options)
            self._fuse.burn()
            return result

        return write


class _Database:
    def __init__(self, database: Database, fuse: Fuse) -> None:
        self._database = database
        self._fuse = fuse

    def __getitem__(self, name: str) -> _Collection:
        return _Collection(self._database[name], self._fuse)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def mortal_database(database: Database, fuse: Fuse) -> Database:
    return cast(Database, _Database(database, fuse))
