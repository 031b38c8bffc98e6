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

    `now` is the moment of the first page, by which soonness goes on being scored; `match` how strictly words matched.
    """

    fingerprint: str
    now: datetime
    match: Match
    after: list[Any]


class CursorSigner:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, cursor: Cursor) -> str:
        position = [cursor.fingerprint, int(cursor.now.timestamp() * 1000), cursor.match, cursor.after]
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
        owner, now, match, after = json.loads(body)
        if owner != fingerprint:
            raise BadCursor
        return Cursor(owner, datetime.fromtimestamp(now / 1000, UTC), match, after)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:SIGNATURE_BYTES]
