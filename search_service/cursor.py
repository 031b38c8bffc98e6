"""Signed cursors: where an answer ended, for this search and no other."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search_service.words import Match
from service_kit.pages import BadCursor

SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after` are the last hit's sort values; of a grouped search, the number of groups seen.

    `now` is the moment of the first page, by which soonness goes on being scored; `match` how strictly words matched;
    `understood` whether the words were read as more than words. `snapshot` is the point in time of the first page.
    """

    fingerprint: str
    now: datetime
    match: Match
    after: list[Any]
    understood: bool = False
    snapshot: str | None = None


class CursorSigner:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, cursor: Cursor) -> str:
        now = int(cursor.now.timestamp() * 1000)
        position = [cursor.fingerprint, now, cursor.match, cursor.after, cursor.understood, cursor.snapshot]
        body = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body) + body).rstrip(b"=").decode()

    def read(self, text: str, fingerprint: str) -> Cursor:
        """Raises BadCursor for one that we did not sign, or that belongs to another search."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise BadCursor from error
        signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise BadCursor
        owner, now, match, after, understood, snapshot = json.loads(body)
        if owner != fingerprint:
            raise BadCursor
        return Cursor(owner, datetime.fromtimestamp(now / 1000, UTC), match, after, understood, snapshot)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:SIGNATURE_BYTES]
