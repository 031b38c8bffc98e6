"""What is told of one showtime: its changes, each worked out and encoded once for all who watch, and a place for each.

A reader costs the same however slow he is: what he has not read is not kept for him. He has a place in the ring of
the latest changes, and when the ring has moved on he gets a new snapshot.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import prometheus_client

from inventory_service.handlers.listener import Listener
from inventory_service.handlers.read import MapView

# What can be made up for: about a minute of a showtime on sale.
RING_CHANGES = 256
RING_BYTES = 65_536
VERSION = re.compile("[0-9]{1,18}")
# The id of the last event; whoever comes back with it has seen everything.
THE_END = "closed"

RESYNCS = prometheus_client.Counter("marquee_live_resyncs", "Streams given a new snapshot", ["reason"])


@dataclass(frozen=True, slots=True)
class Change:
    """What became of seats up to `version`; a seat in none of the sets is as it was."""

    version: int
    held: int
    booked: int
    freed: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Resync:
    """Changes are missing: what was told before is void, a snapshot follows."""

    reason: Literal["unknown-version", "behind"]


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more will come."""

    version: int
    reason: Literal["cancelled", "started"]


Encode = Callable[[MapView | Change | Resync | Closed], bytes]


class Channel:
    """One showtime: how it stands, and a ring of the latest changes, encoded."""

    def __init__(self, view: MapView, encode: Encode) -> None:
        self.view = view
        self.streams: set[Stream] = set()
        self.left_at = time.monotonic()
        self.over = b""
        self._encode = encode
        self._ring: deque[tuple[int, bytes]] = deque()  # (version before the change, the change)
        self._ring_bytes = 0
        self._snapshot: bytes | None = None

    @property
    def version(self) -> int:
        return self.view.seat_map.version

    def advance(self, view: MapView) -> None:
        """Take in a newer reading."""
        known, before, after = self.view, self.view.seat_map, view.seat_map
        self.view, self._snapshot = view, None
        if before.layout != after.layout:  # positions mean other seats now
            self._ring.clear()
            self._ring_bytes = 0
            return
        change = Change(
            after.version,
            held=view.held & ~known.held,
            booked=after.booked & ~before.booked,
            freed=view.free & ~known.free,
            blocked=view.blocked & ~known.blocked,
        )
        self._append(before.version, self._encode(change))

    def _append(self, since: int, change: bytes) -> None:
        self._ring.append((since, change))
        self._ring_bytes += len(change)
        while len(self._ring) > RING_CHANGES or self._ring_bytes > RING_BYTES:
            self._ring_bytes -= len(self._ring.popleft()[1])

    def after(self, version: int) -> bytes | None:
        """The changes since `version`; None where the ring has no round that began there.

        A version from the middle of a round won't do: a seat may have been taken and given back around it.
        """
        missed = []
        for since, change in reversed(self._ring):
            missed.append(change)
            if since == version:
                return b"".join(reversed(missed))
            if since < version:
                break
        return None

    def close(self, now: datetime) -> bool:
        """Whether the showtime can't be booked any more; then there will be no more changes to tell."""
        seat_map = self.view.seat_map
        if not self.over and not seat_map.bookable(now):
            reason: Literal["cancelled", "started"] = "cancelled" if seat_map.status == "cancelled" else "started"
            self.over = self._encode(Closed(self.version, reason))
        return bool(self.over)

    def from_scratch(self, resync: Resync | None) -> bytes:
        """The snapshot, after the reason why it is sent to somebody who had one before."""
        if self._snapshot is None:
            self._snapshot = self._encode(self.view)
        if resync is None:
            return self._snapshot
        RESYNCS.labels(resync.reason).inc()
        return self._encode(resync) + self._snapshot


class Stream(Listener):
    """One watcher's place: the version up to which he has been told, None before the snapshot."""

    def __init__(self, channel: Channel, last_seen: str | None) -> None:
        super().__init__()
        self.channel = channel
        self._version = int(last_seen) if last_seen and VERSION.fullmatch(last_seen) else None
        self._resync = Resync("unknown-version") if last_seen else None

    def _events(self) -> bytes:
        channel, events = self.channel, b""
        if self._version != channel.version:
            missed = channel.after(self._version) if self._version is not None else None
            events = channel.from_scratch(self._resync) if missed is None else missed
            self._version = channel.version
        self._resync = Resync("behind")
        self.ended = bool(channel.over)
        return events + channel.over
