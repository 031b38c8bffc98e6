"""Sets of seats as integers and as blocks."""

from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain.bits import (
    FULL,
    WORD,
    from_sparse,
    from_words,
    longest_run,
    mask_of,
    positions,
    runs_around,
    to_words,
    word_count,
)

masks = st.integers(min_value=0, max_value=(1 << 300) - 1)
rows = st.lists(st.lists(st.booleans(), min_size=1, max_size=40), min_size=1, max_size=8)


@given(masks)
def test_a_set_survives_the_way_through_sparse_blocks(mask: int) -> None:
    assert from_sparse({str(number): bits for number, bits in to_words(mask).items()}) == mask


@given(masks)
def test_a_set_survives_the_way_through_dense_blocks(mask: int) -> None:
    sparse = to_words(mask)
    dense = [sparse.get(number, 0) for number in range(word_count(max(mask.bit_length(), 1)))]
    assert from_words(dense) == mask


@given(masks)
def test_blocks_are_never_empty_and_never_wider_than_32_bits(mask: int) -> None:
    assert all(0 < bits <= FULL for bits in to_words(mask).values())


@given(st.sets(st.integers(min_value=0, max_value=2_000)))
def test_positions_of_a_mask_are_its_seats_in_ascending_order(seats: set[int]) -> None:
    assert list(positions(mask_of(seats))) == sorted(seats)


def test_the_last_seat_of_a_block_is_its_highest_bit() -> None:
    assert to_words(mask_of([WORD - 1, WORD])) == {0: 1 << 31, 1: 1}


def test_a_hall_whose_seats_just_fill_its_blocks_needs_no_further_one() -> None:
    assert [word_count(seats) for seats in (1, 31, 32, 33, 64, 65)] == [1, 1, 1, 2, 2, 3]


@given(rows)
def test_the_longest_run_is_what_counting_seat_by_seat_gives(free_seats: list[list[bool]]) -> None:
    free, row_ends, position, longest = 0, 0, 0, 0
    for row in free_seats:
        run = 0
        for seat in row:
            run = run + 1 if seat else 0
            longest = max(longest, run)
            free |= seat << position
            position += 1
        row_ends |= 1 << position - 1
    assert longest_run(free, row_ends) == longest


@given(rows, st.data())
def test_runs_around_seeds_are_what_walking_from_each_seed_gives(
    free_seats: list[list[bool]], data: st.DataObject
) -> None:
    seats = [seat for row in free_seats for seat in row]
    ends, at = set(), -1
    for row in free_seats:
        at += len(row)
        ends.add(at)
    free = [index for index, seat in enumerate(seats) if seat]
    seeds = data.draw(st.sets(st.sampled_from(free))) if free else set()
    reached = set(seeds)
    for seed in seeds:
        at = seed
        while at not in ends and seats[at + 1]:
            at += 1
            reached.add(at)
        at = seed
        while at > 0 and at - 1 not in ends and seats[at - 1]:
            at -= 1
            reached.add(at)
    assert runs_around(mask_of(seeds), mask_of(free), mask_of(ends)) == mask_of(reached)
