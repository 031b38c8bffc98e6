"""Sets of seats as Python integers (bit = position), and as the 32-bit words that a document keeps.

Words hold 32 seats although BSON has 64-bit integers: so no word is ever negative, and `$bit` needs no care for the
sign.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

WORD = 32
FULL = (1 << WORD) - 1
# A set of no more seats than that is taken apart or put together seat by seat, whatever the size of the hall.
FEW = 16


def word_count(seats: int) -> int:
    return -(-seats // WORD)


def from_words(words: Sequence[int]) -> int:
    """The set kept in a dense list of words."""
    return int.from_bytes(struct.pack(f"<{len(words)}I", *words), "little")


def to_words(mask: int) -> dict[int, int]:
    """The words of a set that are not empty: {word number: bits}."""
    if mask.bit_count() > FEW:
        count = word_count(mask.bit_length())
        dense = struct.unpack(f"<{count}I", mask.to_bytes(count * 4, "little"))
        return {number: bits for number, bits in enumerate(dense) if bits}
    words: dict[int, int] = {}
    while mask:
        number = ((mask & -mask).bit_length() - 1) // WORD
        bits = mask >> number * WORD & FULL
        words[number] = bits
        mask ^= bits << number * WORD
    return words


def from_sparse(words: Mapping[str, int]) -> int:
    """The set kept as {word number as text: bits}."""
    if len(words) > FEW:
        dense = [0] * (max(map(int, words)) + 1)
        for number, bits in words.items():
            dense[int(number)] = bits
        return from_words(dense)
    return sum(bits << int(number) * WORD for number, bits in words.items())


def positions(mask: int) -> Iterator[int]:
    """The positions in a set, ascending."""
    if mask.bit_count() > FEW:  # word by word, for every step on a large number copies all of it
        for number, bits in to_words(mask).items():
            yield from (number * WORD + position for position in _few_positions(bits))
    else:
        yield from _few_positions(mask)


def _few_positions(mask: int) -> Iterator[int]:
    # From the first seat on, so that the numbers stay small in a large hall.
    start = (mask & -mask).bit_length() - 1 if mask else 0
    mask >>= start
    while mask:
        low = mask & -mask
        yield start + low.bit_length() - 1
        mask ^= low


def mask_of(seats: Iterable[int]) -> int:
    """The set of these positions."""
    wanted = list(seats)
    if len(wanted) <= FEW:
        mask = 0
        for position in wanted:
            mask |= 1 << position
        return mask
    # By way of bytes: a growing integer would be copied for each seat of a large house.
    bits = bytearray(max(wanted, default=-1) // 8 + 1)
    for position in wanted:
        bits[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(bits, "little")


def longest_run(free: int, ends: int) -> int:
    """The longest run of neighbours of `free`; `ends` has the last seat of each row, or of each segment of a row.

    Bit i of a set says that a run of its length starts at i. Lengths are doubled while there is such a run, then the
    halves are added that still fit: a few dozen steps over all seats at once, whatever the length.
    """
    runs, length, doubles = free, 1, []
    while runs:
        doubles.append((runs, length))
        runs, length = _joined(runs, length, runs, ends), length * 2
    if not doubles:
        return 0
    longest, reached = doubles.pop()
    for runs, length in reversed(doubles):
        longer = _joined(longest, reached, runs, ends)
        if longer:
            longest, reached = longer, reached + length
    return reached


def _joined(first: int, length: int, second: int, ends: int) -> int:
    """Where a run of `length`, out of `first`, goes on with one of `second`."""
    return first & second >> length & ~(ends >> length - 1)


def runs_around(seeds: int, free: int, ends: int) -> int:
    """Those of `free` that are in a run with one of `seeds`, which are free themselves."""
    reached, onto_next = seeds, free & (free & ~ends) << 1  # bit i: from seat i - 1 one gets to i
    back = free & ~ends & free >> 1  # bit i: from seat i + 1 one gets to i
    forward, backward, step = onto_next, back, 1
    right = left = reached
    while forward or backward:
        right |= forward & right << step
        left |= backward & left >> step
        forward &= forward << step
        backward &= backward >> step
        step *= 2
    return right | left
