"""The collection `events`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, IndexModel

from messaging.envelope import Event
from messaging.events import EventState
from service_kit.folding import fold
from service_kit.mongo import Document
from service_kit.pages import cut
from venues_service.store.base import ALIVE, Collection, after, new_document

STATE_FIELDS = ("version", "name", "category", "description", "keywords", "imageUrl", "metadata")


@dataclass(frozen=True)
class StoredEvent:
    state: EventState
    deleting: bool = False


class Events(Collection):
    name = "events"
    # Lists by category.
    indexes = (IndexModel([("categoryKey", ASCENDING), ("_id", ASCENDING)], name="category"),)

    async def find(self, event_id: str, *, deleted: bool = False) -> EventState | None:
        document = await self.find_document(event_id, deleted=deleted)
        return _event(document).state if document else None

    async def find_each(self, ids: Sequence[str], *, deleted: bool = False) -> dict[str, StoredEvent]:
        documents = await self.find_documents(ids, deleted=deleted)
        return {event_id: _event(document) for event_id, document in documents.items()}

    async def page(
        self, position: Sequence[Any] | None, limit: int, *, category: str | None, text: str | None
    ) -> tuple[list[EventState], str | None]:
        """Events in the order in which they were made."""
        conditions: list[Document] = [ALIVE, after(position, "_id")]
        if category is not None:
            conditions.append({"categoryKey": fold(category)})
        conditions += [{"searchKey": {"$regex": re.escape(word)}} for word in fold(text or "").split()]
        found = self.collection.find({"$and": conditions}, {"outbox": 0})
        rows = await found.sort("_id", ASCENDING).limit(limit + 1).to_list()
        rows, following = cut(rows, limit, lambda row: [row["_id"]])
        return [_event(row).state for row in rows], following


def document_of(event_state: EventState, ref: str | None, event: Event[Any]) -> Document:
    return new_document(event_state.event_id, ref, event, fields_of(event_state))


def fields_of(event_state: EventState) -> Document:
    return {
        **event_state.model_dump(by_alias=True, exclude={"event_id", "version"}),
        "categoryKey": fold(event_state.category),
        "searchKey": fold(" ".join([event_state.name, *event_state.keywords])),
    }


def _event(document: Document) -> StoredEvent:
    fields = {name: document[name] for name in STATE_FIELDS}
    state = EventState.model_validate({**fields, "eventId": document["_id"]})
    return StoredEvent(state, "deleting" in document)
