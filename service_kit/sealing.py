"""Secrets that are needed as they are, and lie in the database: sealed by a key that is kept outside of it."""

import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service_kit.errors import DomainError

NONCE_BYTES = 12


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
        for cipher in self._ciphers:
            value = _opened(cipher, sealed, owner)
            if value is not None:
                return value
        raise Unsealable

    def renewed(self, sealed: bytes, owner: str) -> bytes:
        """The same, sealed by the present key where it was by one of the past; else as it is."""
        if _opened(self._cipher, sealed, owner) is not None or not self.opens(sealed, owner):
            return sealed
        return self.close(self.open(sealed, owner), owner)

    def opens(self, sealed: bytes, owner: str) -> bool:
        try:
            self.open(sealed, owner)
        except Unsealable:
            return False
        return True

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
