"""Reads and conditional updates of many callers that go to one collection together, as `lanes` has it.

A command costs about as much as what it does, and each write that waits for majority and journal waits alone; those
that arrive while one is under way share the next one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from service_kit.lanes import Lane
from service_kit.mongo import Document

T = TypeVar("T")
BATCH = 128
WAITING = 10_000
Change = tuple[Document, Document]


class Readings(Generic[T]):
    """Documents by id, each read after it was asked for. `read` makes of one what the caller gets."""

    def __init__(
        self,
        collection: AsyncCollection[Document],
        projection: Mapping[str, int],
        read: Callable[[Document], T],
        *,
        key: str = "_id",
    ) -> None:
        self._collection = collection
        self._projection = projection
        self._read = read
        self._key = key
        self._lane: Lane[str, T | None] = Lane(self._find, batch=BATCH, waiting=WAITING)

    async def get(self, value: str) -> T | None:
        """The document whose key has this value. Callers of one batch that ask for the same get the same object."""
        return await self._lane.submit(value)

    async def _find(self, values: Sequence[str]) -> list[T | Exception | None]:
        documents = await found_by(self._collection, self._key, values, self._projection)
        found = {value: self._read(document) for value, document in documents.items()}
        return [found.get(value) for value in values]


async def found_by(
    collection: AsyncCollection[Document], key: str, values: Iterable[str], projection: Mapping[str, int]
) -> dict[str, Document]:
    """The documents whose key is one of these, by it. A single one is asked for by the cheaper command."""
    wanted = list(set(values))
    if len(wanted) == 1:
        document = await collection.find_one({key: wanted[0]}, projection)
        return {wanted[0]: document} if document else {}
    cursor = collection.find({key: {"$in": wanted}}, projection)
    return {document[key]: document async for document in cursor}


class Updates:
    """Updates, each with a condition that does not hold any more once it is made."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self._collection = collection
        self._lane: Lane[Change, bool] = Lane(self._write, batch=BATCH, waiting=WAITING)

    async def apply(self, condition: Document, update: Document) -> bool:
        """True: it was made. False: it may have been, or its condition did not hold: the caller must look again.

        For a bulk write tells how many conditions held, and not which.
        """
        return await self._lane.submit((condition, update))

    async def _write(self, changes: Sequence[Change]) -> list[bool | Exception]:
        if len(changes) == 1:
            matched = (await self._collection.update_one(*changes[0])).matched_count
        else:
            written = await self._collection.bulk_write([UpdateOne(*change) for change in changes], ordered=False)
            matched = written.matched_count
        return [matched == len(changes)] * len(changes)
