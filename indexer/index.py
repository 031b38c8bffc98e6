"""The indexer's side of Elasticsearch: bulk writes under external versions, and the change from one index to the next.

The cluster itself says what is served and what is written to: the aliases `…-shows` and `…-entries` point at the
indices that searches see, and every index with a write alias of its own gets the live writes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from elasticsearch import AsyncElasticsearch, NotFoundError

from indexer.domain import Push
from search_index.document import Document
from search_index.mapping import (
    KINDS,
    MAPPINGS,
    SETTINGS,
    Kind,
    alias,
    index_pattern,
    is_current_version,
    new_index_name,
    write_alias,
)
from service_kit.errors import Unavailable

CONFLICT = 409
BUSY = frozenset({429, 502, 503, 504})
# A body of a megabyte and more holds up the event loop while it is sent.
REQUEST_BYTES = 900_000
ACTION_BYTES = 150
# Longer than any search may take.
REST_SECONDS = 2.5
INDEX_GONE = "index_not_found_exception"


@dataclass(frozen=True, slots=True)
class Write:
    """A document at its revision, or without one the deletion of it. `line` is its JSON."""

    id: str
    revision: int
    line: bytes | None


def write(id_: str, revision: int, document: Document | None) -> Write:
    return Write(id_, revision, orjson.dumps(document) if document is not None else None)


class SearchIndex:
    """The index of one kind, or the indices of it while a new one is filled."""

    def __init__(self, client: AsyncElasticsearch, namespace: str, kind: Kind) -> None:
        self._client = client
        self.namespace = namespace
        self.kind = kind
        self.alias = alias(namespace, kind)

    async def served(self) -> str | None:
        """The index behind the alias."""
        try:
            found = await self._client.indices.get_alias(name=self.alias)
        except NotFoundError:
            return None
        return next(iter(found), None)

    async def targets(self) -> list[str]:
        """Every index that live writes go to: the served one, and one being filled. Raises Unavailable without any."""
        pattern = index_pattern(self.namespace, self.kind)
        found = await self._client.indices.get_alias(index=pattern, expand_wildcards="open")
        targets = sorted(name for name, index in found.items() if write_alias(name) in index["aliases"])
        if not targets:
            raise Unavailable("There is no index to write to")
        return targets

    async def create(self) -> str:
        """A new, empty index that live writes go to from now on, and that nobody searches yet."""
        name = new_index_name(self.namespace, self.kind)
        await self._client.indices.create(
            index=name,
            mappings=MAPPINGS[self.kind],
            settings={**SETTINGS, "refresh_interval": "-1"},
            aliases={write_alias(name): {}},
        )
        return name

    async def write(self, targets: Sequence[str], writes: Sequence[Write]) -> dict[str, str]:
        """Bring `writes` into all `targets`; returns the reason for each document that was refused.

        Raises Unavailable where a target can't take them for now. A version conflict is a success: something newer
        is there. A target that vanished has just been replaced by another one, which has the write too.
        """
        refused: dict[str, str] = {}
        vanished = 0
        for target in targets:
            gone = False
            async for one, item in self._outcomes(target, writes):
                status, error = item["status"], item.get("error", {})
                if error.get("type") == INDEX_GONE:
                    gone = True
                elif status in BUSY:
                    raise Unavailable(f"Elasticsearch can't take more for now: {error.get('type')}")
                elif error and status != CONFLICT:
                    refused[one.id] = f"{error.get('type')}: {error.get('reason')}"
            vanished += gone
        if vanished == len(targets):
            raise Unavailable("There is no index to write to")
        return refused

    async def _outcomes(self, target: str, writes: Sequence[Write]) -> AsyncIterator[tuple[Write, dict[str, Any]]]:
        """Each write with its outcome; those of a request in which all went well are left out."""
        for chunk, lines in requests(writes):
            answer = await self._client.bulk(
                index=write_alias(target),
                operations=lines,  # type: ignore[arg-type]  # lines of JSON are taken too, as they are
                require_alias=True,
                filter_path="errors,items.*.status,items.*.error.type,items.*.error.reason",
            )
            if answer["errors"]:
                for one, item in zip(chunk, answer["items"], strict=True):
                    yield one, next(iter(item.values()))

    async def make_ready(self, name: str) -> None:
        """All that was written is seen by searches once they go there, and what is written from now on soon after."""
        await self._client.indices.put_settings(
            index=name, settings={"index.refresh_interval": SETTINGS["refresh_interval"]}
        )
        await self._client.indices.refresh(index=name)

    async def others(self, name: str | None) -> list[str]:
        """Every index of ours but `name`."""
        pattern = index_pattern(self.namespace, self.kind)
        found = await self._client.indices.get_alias(index=pattern, expand_wildcards="open")
        return sorted(other for other in found if other != name)

    async def drop(self, names: Sequence[str]) -> None:
        for name in names:
            await self._client.indices.delete(index=name, ignore_unavailable=True)


@dataclass
class Batch:
    """What is on its way to one kind of index, and what has become of each of it."""

    writes: list[Write] = field(default_factory=list)
    pushes: dict[str, Push] = field(default_factory=dict)

    def add(self, id_: str, revision: int, build: Callable[[], Document | None]) -> None:
        """What `build` makes, or where it makes nothing the deletion. What can't be built must not hold up the rest."""
        try:
            one = write(id_, revision, build())
        except (ValueError, KeyError, TypeError) as error:
            self.pushes[id_] = Push(id_, revision, listed=False, error=repr(error))
            return
        self.writes.append(one)
        self.pushes[id_] = Push(id_, revision, listed=one.line is not None)

    async def bring(self, index: SearchIndex, targets: Sequence[str]) -> None:
        refused = await index.write(targets, self.writes) if self.writes else {}
        for id_, reason in refused.items():
            self.pushes[id_] = replace(self.pushes[id_], listed=False, error=reason)


class Indices:
    """The indices of both kinds."""

    def __init__(self, client: AsyncElasticsearch, namespace: str) -> None:
        self._client = client
        self.shows, self.entries = (SearchIndex(client, namespace, kind) for kind in KINDS)
        self._all = (self.shows, self.entries)

    async def are_current(self) -> bool:
        """Whether indices of the present mapping are served."""
        served = [(await index.served(), index) for index in self._all]
        return all(name and is_current_version(name, index.namespace, index.kind) for name, index in served)

    async def are_served(self, names: Mapping[Kind, str]) -> bool:
        return all([await index.served() == names[index.kind] for index in self._all])

    async def can_go_on(self, names: Mapping[Kind, str]) -> bool:
        """Whether a rebuild into these can be continued: of the present mapping, and written to."""
        for index in self._all:
            name = names[index.kind]
            if not is_current_version(name, index.namespace, index.kind):
                return False
            if not await self._client.indices.exists_alias(index=name, name=write_alias(name)):
                return False
        return True

    async def create(self) -> dict[Kind, str]:
        """New, empty ones; what a rebuild that was given up has left behind goes."""
        for index in self._all:
            await index.drop(await index.others(await index.served()))
        return {index.kind: await index.create() for index in self._all}

    async def serve(self, names: Mapping[Kind, str]) -> None:
        """Searches and live writes go to `names` alone from now on; every other index goes once it is at rest."""
        actions: list[dict[str, Any]] = []
        for index in self._all:
            name = names[index.kind]
            await index.make_ready(name)
            actions += [{"remove": {"index": other, "alias": "*"}} for other in await index.others(name)]
            actions.append({"add": {"index": name, "alias": index.alias}})
        await self._client.indices.update_aliases(actions=actions)
        await self.drop_others(names)

    async def drop_others(self, names: Mapping[Kind, str]) -> None:
        others = [(index, await index.others(names[index.kind])) for index in self._all]
        if any(found for _, found in others):
            # A search that was sent to an old index just now would fail if it vanished under it.
            await asyncio.sleep(REST_SECONDS)
            for index, found in others:
                await index.drop(found)


def requests(writes: Sequence[Write]) -> Iterator[tuple[list[Write], list[bytes]]]:
    """The lines of each `_bulk` request that these take, with the writes in it."""
    for chunk in _chunks(writes):
        lines: list[bytes] = []
        for one in chunk:
            action = {"_id": one.id, "version": one.revision, "version_type": "external"}
            lines.append(orjson.dumps({"delete" if one.line is None else "index": action}))
            if one.line is not None:
                lines.append(one.line)
        yield chunk, lines


def _chunks(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut into requests of a size that neither side takes amiss."""
    chunk: list[Write] = []
    size = 0
    for one in writes:
        length = len(one.line or b"") + ACTION_BYTES
        if chunk and size + length > REQUEST_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += length
    if chunk:
        yield chunk
