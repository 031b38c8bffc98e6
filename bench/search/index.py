"""Fills the indices of a namespace with the catalogue's first showtimes, by several processes at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from itertools import islice
from multiprocessing import get_context

import httpx2

from bench.elastic import NDJSON, bulk_lines, own_creation, require_taken
from bench.entries import entries_of
from bench.search.catalogue import Catalogue
from search_index.document import Document, to_document
from search_index.mapping import KINDS, SETTINGS, Kind, new_index_name

PROCESSES = 3
CHUNK = 2_000
SECONDS = 120.0
SETTLING_SECONDS = 90.0


@contextmanager
def filled(url: str, namespace: str, first_day: datetime, count: int) -> Iterator[None]:
    """Both aliases are served as long as this is entered; then their indices go. Raises RuntimeError if refused."""
    with httpx2.Client(base_url=url, timeout=SECONDS) as elastic:
        names = {kind: _create(elastic, namespace, kind) for kind in KINDS}
        try:
            chunks = [(url, names["shows"], first_day, at, min(at + CHUNK, count)) for at in range(0, count, CHUNK)]
            with get_context("forkserver").Pool(min(PROCESSES, len(chunks))) as pool:
                for _ in pool.imap_unordered(_write_chunk, chunks):
                    pass
            entries = entries_of(Catalogue(first_day).rows(0, count))
            while batch := list(islice(entries, CHUNK)):
                _bulk(elastic, names["entries"], batch)
            for name in names.values():
                _settle(elastic, name)
            yield
        finally:
            for name in names.values():
                elastic.delete(f"/{name}")


def _create(elastic: httpx2.Client, namespace: str, kind: Kind) -> str:
    name = new_index_name(namespace, kind)
    elastic.put(f"/{name}", json=own_creation(namespace, kind)).raise_for_status()
    return name


@cache
def _catalogue(first_day: datetime) -> Catalogue:
    return Catalogue(first_day)


@cache
def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=SECONDS)


def _write_chunk(chunk: tuple[str, str, datetime, int, int]) -> None:
    """In a process of the pool, which keeps its catalogue and its connection."""
    url, name, first_day, start, end = chunk
    rows = _catalogue(first_day).rows(start, end)
    _bulk(_client(url), name, [(row["_id"], to_document(row)) for row in rows])


def _bulk(elastic: httpx2.Client, name: str, documents: list[tuple[str, Document]]) -> None:
    shown = {"filter_path": "errors,items.*.error"}
    answer = elastic.post(f"/{name}/_bulk", params=shown, content=bulk_lines(documents), headers=NDJSON)
    require_taken(answer, name)


def _settle(elastic: httpx2.Client, name: str) -> None:
    """Searchable as in production, and at rest."""
    settings = {"index": {"refresh_interval": SETTINGS["refresh_interval"]}}
    elastic.put(f"/{name}/_settings", json=settings).raise_for_status()
    elastic.post(f"/{name}/_flush").raise_for_status()
    elastic.post(f"/{name}/_refresh").raise_for_status()
    deadline = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < deadline:
        merges = elastic.get(f"/{name}/_stats/merge").json()["_all"]["total"]["merges"]
        if not merges["current"]:
            return
        time.sleep(0.5)
