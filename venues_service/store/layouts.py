"""The collections `layouts` and `layout_extras`: content by its digest, never changed.

Halls that are alike share it. Whoever stores one twice, or dies before a hall refers to it, has done no harm.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bson import Binary
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from service_kit.mongo import DUPLICATE_KEY, Database, Document
from venues_service.domain.layouts import Layout

# Level 1 is four times as fast as the default and a sixth larger; 100,000 seats take 3 to 6 MB of the 16 allowed.
COMPRESSION = 1


class Layouts:
    """`{_id, text: zlib(JSON), seatCount, types[[section, [[type, seats]]]]}`; extras are `{_id, text: zlib(JSON)}`."""

    def __init__(self, database: Database) -> None:
        self._layouts = database["layouts"]
        self._extras = database["layout_extras"]

    async def save(self, layouts: Iterable[Layout]) -> None:
        """Store those that are not there yet, and their extras."""
        every = list(layouts)
        with_extras = {digest: layout for layout in every if (digest := layout.extras_digest)}
        await _save(self._extras, with_extras, _extras_document)
        await _save(self._layouts, {layout.digest: layout for layout in every}, _layout_document)

    async def text(self, digest: str) -> bytes:
        return await _text(self._layouts, digest)

    async def extras(self, digest: str) -> bytes:
        return await _text(self._extras, digest)

    async def types_by_section(self, digest: str) -> dict[str, dict[str, int]]:
        document = await self._layouts.find_one({"_id": digest}, {"types": 1})
        if document is None:
            raise LookupError(f"the layout {digest} is referred to but not there")
        return types_of(document["types"])


async def _save(
    collection: AsyncCollection[Document], by_digest: Mapping[str, Layout], document_of: Callable[[Layout], Document]
) -> None:
    if not by_digest:
        return
    found = collection.find({"_id": {"$in": list(by_digest)}}, {"_id": 1})
    stored = {document["_id"] async for document in found}
    missing = [layout for digest, layout in by_digest.items() if digest not in stored]
    if not missing:
        return
    documents = await asyncio.to_thread(lambda: list(map(document_of, missing)))
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any(fault["code"] != DUPLICATE_KEY for fault in error.details["writeErrors"]):
            raise


async def _text(collection: AsyncCollection[Document], digest: str) -> bytes:
    document = await collection.find_one({"_id": digest}, {"text": 1})
    if document is None:
        raise LookupError(f"{collection.name} {digest} is referred to but not there")
    return zlib.decompress(document["text"])


def _layout_document(layout: Layout) -> Document:
    return {
        "_id": layout.digest,
        "text": Binary(zlib.compress(layout.text, COMPRESSION)),
        "seatCount": layout.seat_count,
        "types": types_document(layout.types_by_section),
    }


def _extras_document(layout: Layout) -> Document:
    return {"_id": layout.extras_digest, "text": Binary(zlib.compress(layout.extras, COMPRESSION))}


def types_document(types_by_section: Mapping[str, Mapping[str, int]]) -> list[Any]:
    """Pairs, since a section's id may have a dot in it."""
    return [[section_id, list(map(list, counts.items()))] for section_id, counts in types_by_section.items()]


def types_of(pairs: list[Any]) -> dict[str, dict[str, int]]:
    return {section_id: dict(counts) for section_id, counts in pairs}
