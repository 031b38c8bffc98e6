"""Access codes as they are kept and tried."""

from datetime import UTC, datetime

import pytest

from inventory_service.domain.access_codes import code_digest, opens
from inventory_service.domain.seat_map import Block

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)


def block(id_: str, channel: str, code: str | None) -> Block:
    return Block(id_, 1, MADE, channel, "", code_digest(code, "show", channel, id_) if code else None)


BLOCKS = [
    block("first", "presale", "open sesame"),
    block("second", "presale", "second wave"),
    block("till", "presale", None),
    block("third", "members", "members only"),
]


@pytest.mark.parametrize("code", ["open sesame", "second wave"])
def test_the_code_of_any_block_opens_its_channel(code: str) -> None:
    assert opens(code, "show", "presale", BLOCKS)


@pytest.mark.parametrize(
    ("code", "showtime_id", "channel"),
    [
        ("open sesam", "show", "presale"),
        ("Open sesame", "show", "presale"),
        ("members only", "show", "presale"),
        ("open sesame", "show", "members"),
        ("open sesame", "another", "presale"),
        ("open sesame", "show", "nowhere"),
    ],
)
def test_no_other_code_does(code: str, showtime_id: str, channel: str) -> None:
    assert not opens(code, showtime_id, channel, BLOCKS)


def test_no_code_opens_a_channel_whose_blocks_have_none() -> None:
    till = [block("till", "box-office", None)]
    assert not any(opens(code, "show", "box-office", till) for code in ("", "None", "open sesame"))


def test_one_code_has_another_digest_in_each_block_channel_and_showtime() -> None:
    places = [("show", "presale", "a"), ("show", "presale", "b"), ("show", "members", "a"), ("other", "presale", "a")]
    digests = {code_digest("open sesame", *place) for place in places}
    assert len(digests) == len(places)
    assert not any("sesame" in digest for digest in digests)
