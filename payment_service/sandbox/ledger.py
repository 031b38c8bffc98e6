"""What the sandbox knows, in one SQLite file: objects, events, answers to idempotency keys, and work that is due.

Calls are short and synchronous: one process, one connection, and a request's whole effect is one transaction.
"""

import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from payment_service.sandbox.failures import no_such
from payment_service.sandbox.faults import Dial, wall_clock

Object = dict[str, Any]
JobKind = Literal["deliver", "settle"]
API_VERSION = "2026-10-28.endive"
ALPHABET = string.ascii_letters + string.digits
KEY_SECONDS = 24 * 3600
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL,
    parent TEXT, created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_of_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_of_parent ON objects (parent, kind, seq);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at);
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, target TEXT NOT NULL,
    due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, since REAL NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due);
"""


@dataclass(frozen=True)
class Answer:
    """What was answered to an idempotency key."""

    fingerprint: str
    status: int
    body: str


@dataclass(frozen=True)
class Job:
    """Work that is due: send the webhook of the event `target`, or settle the object `target`."""

    id: int
    kind: JobKind
    target: str
    tries: int
    since: float


def fresh_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(24))


class Ledger:
    """Opened on a file; `dial` decides when (and whether) webhooks of new events are sent."""

    def __init__(self, path: Path, dial: Dial) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        # The log survives the death of the process; only a power cut may cost the last moments.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._dial = dial
        self.now = wall_clock

    def close(self) -> None:
        self._db.close()

    def ping(self) -> None:
        self._db.execute("SELECT 1")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing if it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def save(self, thing: Object, parent: str | None = None) -> None:
        self._db.execute(
            "INSERT INTO objects (id, kind, parent, created, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (thing["id"], thing["object"], parent, thing["created"], json.dumps(thing)),
        )

    def find(self, kind: str, id_: str) -> Object | None:
        row = self._db.execute("SELECT body FROM objects WHERE id = ? AND kind = ?", (id_, kind)).fetchone()
        return json.loads(row[0]) if row else None

    def load(self, kind: str, id_: str, param: str = "id") -> Object:
        """The object. Raises Stripe's 404."""
        if (thing := self.find(kind, id_)) is None:
            raise no_such(kind, id_[:100], param)
        return thing

    def newest(
        self,
        kind: str,
        *,
        limit: int,
        after: str | None,
        before: str | None,
        created: tuple[int, int],
        parent: str | None,
    ) -> tuple[list[Object], bool]:
        """A page of a kind, newest first, and whether there is more."""
        where, values = ["kind = ?", "created BETWEEN ? AND ?"], [kind, *created]
        if parent is not None:
            where.append("parent = ?")
            values.append(parent)
        for cursor, comparison in ((after, "<"), (before, ">")):
            if cursor is not None:
                where.append(f"seq {comparison} (SELECT seq FROM objects WHERE id = ?)")  # noqa: S608 - < or >
                values.append(self.load(kind, cursor)["id"])
        order = "ASC" if before is not None and after is None else "DESC"
        query = f"SELECT body FROM objects WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - only constants
        rows = [json.loads(row[0]) for row in self._db.execute(query, (*values, limit + 1))]
        page = rows[:limit]
        return (page if order == "DESC" else page[::-1]), len(rows) > limit

    def emit(self, type_: str, thing: Object) -> None:
        """A new event about `thing` as it is now, and its webhooks as the dial has them."""
        now = self.now()
        event: Object = {
            "id": fresh_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": int(now),
            "data": {"object": thing},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
        self.save(event, parent=type_)
        for due in self._dial.departures(now):
            self.plan("deliver", event["id"], due)

    def plan(self, kind: JobKind, target: str, due: float) -> None:
        self._db.execute(
            "INSERT INTO jobs (kind, target, due, since) VALUES (?, ?, ?, ?)", (kind, target, due, self.now())
        )

    def due_jobs(self, limit: int) -> list[Job]:
        """What is due now, longest overdue first."""
        query = "SELECT id, kind, target, tries, since FROM jobs WHERE due <= ? ORDER BY due, id LIMIT ?"
        return [Job(*row) for row in self._db.execute(query, (self.now(), limit))]

    def next_due(self) -> float | None:
        """When the next job that is not due yet will be."""
        row = self._db.execute("SELECT min(due) FROM jobs WHERE due > ?", (self.now(),)).fetchone()
        return row[0] if row else None

    def finish(self, job: Job) -> None:
        self._db.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def postpone(self, job: Job, due: float) -> None:
        self._db.execute("UPDATE jobs SET due = ?, tries = tries + 1 WHERE id = ?", (due, job.id))

    def answer_of(self, key: str) -> Answer | None:
        self._db.execute("DELETE FROM answers WHERE at < ?", (self.now() - KEY_SECONDS,))
        row = self._db.execute("SELECT fingerprint, status, body FROM answers WHERE key = ?", (key,)).fetchone()
        return Answer(*row) if row else None

    def keep_answer(self, key: str, answer: Answer) -> None:
        self._db.execute(
            "INSERT INTO answers (key, fingerprint, status, body, at) VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, self.now()),
        )
