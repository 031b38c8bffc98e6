"""Access codes: how they are kept, and whether one opens a channel.

A code is first stretched by scrypt (RFC 7914), salted with the showtime and the channel, and then tied to its block by
an HMAC. So a code is as dear to try for a channel with ten blocks, or for one that does not exist, as for any other.
"""

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache

from inventory_service.domain.seat_map import Block

# Tens of milliseconds of one core and 16 MiB.
COST, BLOCK_SIZE, LANES = 2**14, 8, 1
REMEMBERED = 1_000


def code_digest(code: str, showtime_id: str, channel: str, block_id: str) -> str:
    """What a block keeps of its access code. Takes long: call it beside the event loop."""
    return _tied(_stretched(code, showtime_id, channel), block_id)


def opens(code: str, showtime_id: str, channel: str, blocks: Iterable[Block]) -> bool:
    """Whether `code` is that of one of these blocks of the channel. Takes long: call it beside the event loop."""
    key = _stretched(code, showtime_id, channel)
    fits = [hmac.compare_digest(_tied(key, block.id), block.code_digest) for block in blocks if block.code_digest]
    return any(fits)


# In a presale thousands come with the same code at once.
@lru_cache(maxsize=REMEMBERED)
def _stretched(code: str, showtime_id: str, channel: str) -> bytes:
    salt = f"{showtime_id}\n{channel}".encode()
    return hashlib.scrypt(code.encode(), salt=salt, n=COST, r=BLOCK_SIZE, p=LANES, dklen=32)


def _tied(key: bytes, block_id: str) -> str:
    return hmac.digest(key, block_id.encode(), "sha256").hex()
