"""Indices as the suites make, fill and remove them, whatever client they ask by."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx2

from search_index.document import Document
from search_index.mapping import MAPPINGS, SETTINGS, Kind, alias

NDJSON = {"content-type": "application/x-ndjson"}


def creation(mapping: Any, served_as: str | None = None) -> dict[str, Any]:
    """The body that makes an index, to be refreshed once it is full."""
    settings = {**SETTINGS, "refresh_interval": "-1"}
    return {"mappings": mapping, "settings": settings, "aliases": {served_as: {}} if served_as else {}}


def own_creation(namespace: str, kind: Kind) -> dict[str, Any]:
    """Of one of the product's own indices."""
    return creation(MAPPINGS[kind], alias(namespace, kind))


def bulk_lines(documents: Iterable[tuple[str, Document]]) -> str:
    """The body of `_bulk` for ids with their documents."""
    lines = [json.dumps(line) for id_, document in documents for line in ({"index": {"_id": id_}}, document)]
    return "\n".join([*lines, ""])


def require_taken(answer: httpx2.Response, index: str) -> None:
    """Raises RuntimeError where `_bulk` refused a document."""
    if answer.raise_for_status().json()["errors"]:
        raise RuntimeError(f"refused by {index}: {answer.text[:500]}")


async def drop_indices(elastic: httpx2.AsyncClient, namespace: str) -> None:
    listed = await elastic.get(f"/_cat/indices/{namespace}-*", params={"h": "index"})
    for index in listed.text.split():
        await elastic.delete(f"/{index}")
