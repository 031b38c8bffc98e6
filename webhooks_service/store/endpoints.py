"""The collection `endpoints`: `{_id, version, url, eventTypes[], venueIds, …, secrets[{id, sealed, expiresAt}]}`.

How an endpoint is faring (`failingSince`, `disabled`) is written by workers, and only while its URL is the one they
sent to: what became of an old address says nothing of the new one.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from service_kit.mongo import Database, Document
from service_kit.pages import cut
from webhooks_service.domain.endpoints import FAILING_FOR, Disabled, Endpoint, Secret


class Endpoints:
    def __init__(self, database: Database) -> None:
        self._endpoints = database["endpoints"]
        # How an endpoint is faring is written with each try; what is lost in a failover is seen again by the next.
        self._marks = self._endpoints.with_options(write_concern=WriteConcern(w=1))

    async def add(self, endpoint: Endpoint) -> bool:
        """False where there is one of that id already."""
        try:
            await self._endpoints.insert_one({"_id": endpoint.id, **_fields(endpoint)})
        except DuplicateKeyError:
            return False
        return True

    async def count(self) -> int:
        return await self._endpoints.count_documents({})

    async def find(self, endpoint_id: str) -> Endpoint | None:
        document = await self._endpoints.find_one({"_id": endpoint_id})
        return _endpoint(document) if document else None

    async def all(self) -> list[Endpoint]:
        """All of them; there are few."""
        return [_endpoint(document) async for document in self._endpoints.find()]

    async def page(self, position: Sequence[Any] | None, limit: int) -> tuple[list[Endpoint], str | None]:
        """In the order in which they were made."""
        wanted = {"_id": {"$gt": position[0]}} if position else {}
        rows = await self._endpoints.find(wanted).sort("_id", ASCENDING).limit(limit + 1).to_list()
        rows, following = cut(rows, limit, lambda row: [row["_id"]])
        return [_endpoint(row) for row in rows], following

    async def save(self, endpoint: Endpoint) -> bool:
        """Write what was made of the version that `endpoint` has; False when it is at another by now, or gone."""
        fields = _fields(endpoint) | {"version": endpoint.version + 1}
        written = await self._endpoints.update_one({"_id": endpoint.id, "version": endpoint.version}, {"$set": fields})
        return written.matched_count == 1

    async def delete(self, endpoint_id: str, version: int) -> bool:
        deleted = await self._endpoints.delete_one({"_id": endpoint_id, "version": version})
        return deleted.deleted_count == 1

    async def heard(self, sent_to: Endpoint) -> None:
        """It answered well: whatever failed before is over."""
        await self._marks.update_one(
            {**_same_url(sent_to), "failingSince": {"$ne": None}},
            {"$set": {"failingSince": None}, "$inc": {"version": 1}},
        )

    async def failed(self, sent_to: Endpoint, now: datetime) -> None:
        """It failed: remember since when, and disable one that did nothing else for days."""
        await self._marks.update_one(
            {**_same_url(sent_to), "failingSince": None}, {"$set": {"failingSince": now}, "$inc": {"version": 1}}
        )
        if sent_to.failing_too_long(now):
            # Unless it answered well meanwhile.
            same_failures = {"failingSince": sent_to.failing_since}
            detail = f"Nothing but failures for {FAILING_FOR.days} days"
            await self._disable({**_same_url(sent_to), **same_failures}, Disabled("failing", detail, now))

    async def gone(self, sent_to: Endpoint, now: datetime) -> None:
        """It answered that it is there no more."""
        await self._disable(_same_url(sent_to), Disabled("gone", "The receiver answered 410 Gone", now))

    async def _disable(self, wanted: Document, disabled: Disabled) -> None:
        await self._endpoints.update_one(
            {**wanted, "active": True},
            {
                "$set": {"active": False, "disabled": asdict(disabled), "updatedAt": disabled.at},
                "$inc": {"version": 1},
            },
        )


def _fields(endpoint: Endpoint) -> Document:
    return {
        "version": endpoint.version,
        "url": endpoint.url,
        "eventTypes": list(endpoint.event_types),
        "venueIds": None if endpoint.venue_ids is None else list(endpoint.venue_ids),
        "description": endpoint.description,
        "active": endpoint.active,
        "failingSince": endpoint.failing_since,
        "disabled": asdict(endpoint.disabled) if endpoint.disabled else None,
        "secrets": [
            {"id": secret.id, "sealed": secret.sealed, "expiresAt": secret.expires_at} for secret in endpoint.secrets
        ],
        "createdAt": endpoint.created_at,
        "updatedAt": endpoint.updated_at,
    }


def _endpoint(document: Document) -> Endpoint:
    secrets = (Secret(each["id"], each["sealed"], each["expiresAt"]) for each in document["secrets"])
    venue_ids = document["venueIds"]
    return Endpoint(
        id=document["_id"],
        version=document["version"],
        url=document["url"],
        event_types=tuple(document["eventTypes"]),
        venue_ids=None if venue_ids is None else tuple(venue_ids),
        description=document["description"],
        active=document["active"],
        secrets=tuple(secrets),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        failing_since=document["failingSince"],
        disabled=Disabled(**document["disabled"]) if document["disabled"] else None,
    )


def _same_url(endpoint: Endpoint) -> Document:
    return {"_id": endpoint.id, "url": endpoint.url}
