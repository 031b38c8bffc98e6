"""Secrets that are needed as they are, and lie in the database: sealed by a key that is kept outside of it."""

import hmac
import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from service_kit.errors import DomainError

NONCE_BYTES = 12


def derived_key(secret: SecretStr, purpose: bytes) -> bytes:
    """A key of 32 bytes for one purpose, which tells nothing of those for others."""
    return hmac.digest(secret.get_secret_value().encode(), purpose, "sha256")


class Unsealable(DomainError):
    """The key was changed, or what is sealed is another owner's: nothing but a new secret helps."""

    slug, title = "unsealable", "A secret can't be opened by the key of this installation"


class Seal:
    """AES-GCM by a key of 32 bytes. What was sealed for one owner can't be opened as another's.

    `before`: keys of the past. Nothing is sealed by them any more, but what was can be opened.
    """

    def __init__(self, key: bytes, *before: bytes) -> None:
        self._cipher = AESGCM(key)
        self._ciphers = (self._cipher, *map(AESGCM, before))

    def close(self, value: str, owner: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value.encode(), owner.encode())

    def open(self, sealed: bytes, owner: str) -> str:
        """Raises Unsealable."""
        value = self._value(sealed, owner)
        if value is None:
            raise Unsealable
        return value

    def opens(self, sealed: bytes, owner: str) -> bool:
        return self._value(sealed, owner) is not None

    def renewed(self, sealed: bytes, owner: str) -> bytes:
        """The same, sealed by the present key where it was by one of the past; else as it is."""
        value = self._value(sealed, owner)
        if value is None or _opened(self._cipher, sealed, owner) is not None:
            return sealed
        return self.close(value, owner)

    def _value(self, sealed: bytes, owner: str) -> str | None:
        values = (_opened(cipher, sealed, owner) for cipher in self._ciphers)
        return next((value for value in values if value is not None), None)

    def open_some(self, sealed: Iterable[bytes], owner: str) -> list[str]:
        """Those that can be opened, in their order. Raises Unsealable where none can."""
        opened = [self.open(each, owner) for each in sealed if self.opens(each, owner)]
        if not opened:
            raise Unsealable
        return opened


def _opened(cipher: AESGCM, sealed: bytes, owner: str) -> str | None:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode()).decode()
    except (InvalidTag, ValueError):
        return None
