"""The books of the sandbox theatre, in one SQLite file: bookings, and which seat of a showtime went to which."""

import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS bookings (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, asked TEXT NOT NULL, tickets TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seats (
    showtime TEXT NOT NULL, seat TEXT NOT NULL, booking TEXT NOT NULL, PRIMARY KEY (showtime, seat));
CREATE INDEX IF NOT EXISTS seats_of_booking ON seats (booking);
"""
Json = dict[str, Any]


class Books:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def find(self, booking_id: str) -> Json | None:
        row = self._db.execute("SELECT status, tickets, reason FROM bookings WHERE id = ?", (booking_id,)).fetchone()
        return {"bookingId": booking_id, "status": row[0], **_details(row)} if row else None

    def starts_at(self, booking_id: str) -> str | None:
        """When the show of a booking begins, by what it was last told."""
        row = self._db.execute(
            "SELECT json_extract(asked, '$.startsAt') FROM bookings WHERE id = ?", (booking_id,)
        ).fetchone()
        return row[0] if row else None

    def confirm(self, booking_id: str, asked: Json, *, refuse: bool) -> Json:
        """What is answered: as before, where this booking was asked for before."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            known = self.find(booking_id)
            if known is None:
                known = self._decide(booking_id, asked, refuse=refuse)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        if known["status"] == "cancelled":
            return {"bookingId": booking_id, "status": "refused", "reason": "This booking was cancelled"}
        return known

    def cancel(self, booking_id: str) -> Json:
        """Kept for a booking that was never asked for, too: should it be asked for later, it is refused."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM seats WHERE booking = ?", (booking_id,))
        self._db.execute(
            "INSERT INTO bookings VALUES (?, 'cancelled', '{}', '[]', '') "
            "ON CONFLICT (id) DO UPDATE SET status = 'cancelled'",
            (booking_id,),
        )
        self._db.execute("COMMIT")
        return {"bookingId": booking_id, "status": "cancelled"}

    def change(self, booking_id: str, present: Json) -> Json:
        """Leave a confirmed booking only those of its seats, at that time."""
        self._db.execute("BEGIN IMMEDIATE")
        known = self.find(booking_id)
        if known and known["status"] == "confirmed":
            tickets = [ticket for ticket in known["tickets"] if ticket["seatId"] in present["seatIds"]]
            self._db.execute(
                "UPDATE bookings SET tickets = ?, asked = json_set(asked, '$.startsAt', ?) WHERE id = ?",
                (json.dumps(tickets), present["startsAt"], booking_id),
            )
            gone = [(booking_id, ticket["seatId"]) for ticket in known["tickets"] if ticket not in tickets]
            self._db.executemany("DELETE FROM seats WHERE booking = ? AND seat = ?", gone)
        self._db.execute("COMMIT")
        return {"bookingId": booking_id, "status": "changed"}

    def _decide(self, booking_id: str, asked: Json, *, refuse: bool) -> Json:
        seats, showtime = asked["seatIds"], asked["showtimeId"]
        marks = ",".join("?" * len(seats))
        sold = self._db.execute(
            f"SELECT seat FROM seats WHERE showtime = ? AND seat IN ({marks})",  # noqa: S608 - only question marks
            (showtime, *seats),
        ).fetchall()
        reason = "The theatre refuses on purpose" if refuse else "Sold at the door: " + ", ".join(s for (s,) in sold)
        status = "refused" if refuse or sold else "confirmed"
        tickets: list[Json] = []
        if status == "confirmed":
            reason = ""
            tickets = [{"seatId": seat, "ticketId": f"SBX-{secrets.token_hex(5).upper()}"} for seat in seats]
            self._db.executemany("INSERT INTO seats VALUES (?, ?, ?)", [(showtime, seat, booking_id) for seat in seats])
        row = (status, json.dumps(tickets), reason)
        self._db.execute(
            "INSERT INTO bookings VALUES (?, ?, ?, ?, ?)", (booking_id, status, json.dumps(asked), *row[1:])
        )
        return {"bookingId": booking_id, "status": status, **_details(row)}


def _details(row: tuple[str, str, str]) -> Json:
    status, tickets, reason = row
    return {"tickets": json.loads(tickets)} if status == "confirmed" else {"reason": reason}
