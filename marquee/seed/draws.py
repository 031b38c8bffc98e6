"""Chance that falls the same way each time: a number from a hash of what it is drawn for."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

Item = TypeVar("Item")


def draw(*about: object) -> float:
    """From 0 up to, not including, 1."""
    digest = blake2b("\x1f".join(map(str, about)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def pick(items: Sequence[Item], *about: object) -> Item:
    return items[int(draw(*about) * len(items))]
