"""Signatures between us and a theatre, on requests and on answers alike.

`Marquee-Signature: t=<Unix seconds>,v1=<hex HMAC-SHA-256>[,v1=…]`, one `v1` for each secret that is valid now: while a
secret is being replaced both ends accept either. What is signed:

    request:  <METHOD>\n<path>\n<Marquee-Request-Id>\n<t>\n<hex SHA-256 of the body>
    answer:   ANSWER <status>\n<path>\n<Marquee-Request-Id of the request>\n<t>\n<hex SHA-256 of the body>

The id is new with each try, so that an answer proves to belong to this very request.
"""

import hashlib
import hmac
from collections.abc import Sequence

SIGNATURE = "Marquee-Signature"
REQUEST_ID = "Marquee-Request-Id"
TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 5


class BadSignature(Exception):
    """Unsigned, forged, or from another time."""


def request_text(method: str, path: str, request_id: str, body: bytes) -> tuple[str, bytes]:
    """The two ends of what is signed of a request, around its time."""
    return f"{method}\n{path}\n{request_id}", body


def answer_text(status: int, path: str, request_id: str, body: bytes) -> tuple[str, bytes]:
    """The same of the answer to it."""
    return f"ANSWER {status}\n{path}\n{request_id}", body


def sign(secrets: Sequence[str], timestamp: int, text: tuple[str, bytes]) -> str:
    """The header's value, by all `secrets`."""
    return ",".join([f"t={timestamp}", *(f"v1={_mac(secret, timestamp, text)}" for secret in secrets)])


def verify(header: str | None, secrets: Sequence[str], now: int, text: tuple[str, bytes]) -> None:
    """Raises BadSignature unless one of `secrets` signed this, within the tolerance of `now`."""
    parts = [part.partition("=") for part in (header or "").split(",")[: MOST_SIGNATURES + 1]]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise BadSignature("it is not signed")
    timestamp = int(times[0])
    if abs(now - timestamp) > TOLERANCE_SECONDS:
        raise BadSignature("its signature is from another time")
    given = [value.encode() for name, _, value in parts if name == "v1"]
    wanted = [_mac(secret, timestamp, text).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in given for other in wanted):
        raise BadSignature("its signature is wrong")


def _mac(secret: str, timestamp: int, text: tuple[str, bytes]) -> str:
    head, body = text
    signed = f"{head}\n{timestamp}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
