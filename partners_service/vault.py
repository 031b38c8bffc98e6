"""Partners' secrets are needed as they are, to sign by; in the database they stand sealed by a key kept outside."""

import hmac
import os
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

NONCE_BYTES = 12
PREFIX = "psk_"


class Vault:
    """Seals a secret for one partner: moved to another's document it can't be opened."""

    def __init__(self, key: SecretStr) -> None:
        self._cipher = AESGCM(hmac.digest(key.get_secret_value().encode(), b"partner secrets", "sha256"))

    @staticmethod
    def fresh() -> str:
        return PREFIX + secrets.token_urlsafe(32)

    def seal(self, secret: str, partner_id: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), partner_id.encode())

    def open(self, sealed: bytes, partner_id: str) -> str:
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], partner_id.encode()).decode()
