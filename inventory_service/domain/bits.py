"""Sets of seats as Python integers (bit = position), and as the 32-bit blocks that a document keeps.

Blocks hold 32 seats although BSON has 64-bit integers: so no block is ever negative, and `$bit` needs no care for
the sign.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

BLOCK = 32
FULL = (1 << BLOCK) - 1


def block_count(seats: int) -> int:
    return -(-seats // BLOCK)


def from_blocks(blocks: Sequence[int]) -> int:
    """The set kept in a dense list of blocks."""
    return int.from_bytes(struct.pack(f"<{len(blocks)}I", *blocks), "little")


def to_blocks(mask: int) -> dict[int, int]:
    """The blocks of a set that are not empty: {block number: bits}."""
    blocks = {}
    while mask:
        number = ((mask & -mask).bit_length() - 1) // BLOCK
        bits = (mask >> number * BLOCK) & FULL
        blocks[number] = bits
        mask ^= bits << number * BLOCK
    return blocks


def from_sparse(blocks: Mapping[str, int]) -> int:
    """The set kept as {block number as text: bits}."""
    return sum(bits << int(number) * BLOCK for number, bits in blocks.items())


def positions(mask: int) -> Iterator[int]:
    """The positions in a set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(seats: Iterable[int]) -> int:
    """The set of these positions. By way of bytes: a growing integer would be copied for each seat of a large house."""
    wanted = list(seats)
    bits = bytearray(max(wanted, default=-1) // 8 + 1)
    for position in wanted:
        bits[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(bits, "little")


def longest_run(free: int, row_ends: int) -> int:
    """The longest run of adjacent seats of `free` in one row; `row_ends` has the last seat of each row.

    Bit i of `runs` says that a run of the present length starts at i, so the loop ends after as many rounds as the
    longest run is long, each over all seats at once.
    """
    length, runs, may_go_on = 0, free, free & ~row_ends
    while runs:
        length += 1
        runs = may_go_on & (runs >> 1)
    return length
