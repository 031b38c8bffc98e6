"""Signatures as Standard Webhooks 1.0 has them (https://www.standardwebhooks.com), the symmetric kind.

`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the key is what stands in base64 behind `whsec_`.
"""

import base64
import hmac
import os
from collections.abc import Iterable
from datetime import datetime

PREFIX = "whsec_"
# The specification wants 24 to 64.
SECRET_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def signed_headers(secrets: Iterable[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `at`, signed by each of the secrets."""
    timestamp = int(at.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets),
    }
