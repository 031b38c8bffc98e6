"""Sealed secrets, and those that can't be opened any more."""

import pytest

from service_kit.sealing import Seal, Unsealable

SEAL, OTHER = Seal(b"k" * 32), Seal(b"o" * 32)


def test_what_is_sealed_is_opened_by_the_same_key_for_the_same_owner() -> None:
    sealed = SEAL.close("psk_1", "burg")
    assert b"psk_1" not in sealed
    assert SEAL.open(sealed, "burg") == "psk_1"


@pytest.mark.parametrize(
    ("sealed", "owner"),
    [(OTHER.close("psk_1", "burg"), "burg"), (SEAL.close("psk_1", "burg"), "akademie"), (b"", "burg"), (b"x", "burg")],
    ids=["another key", "another owner", "empty", "cut"],
)
def test_what_can_not_be_opened_is_a_typed_error(sealed: bytes, owner: str) -> None:
    with pytest.raises(Unsealable):
        SEAL.open(sealed, owner)


def test_of_several_those_that_open_do_and_without_any_it_is_an_error() -> None:
    dead, alive = OTHER.close("psk_1", "burg"), SEAL.close("psk_2", "burg")
    assert SEAL.open_some([dead, alive], "burg") == ["psk_2"]
    with pytest.raises(Unsealable):
        SEAL.open_some([dead], "burg")


def test_a_key_of_the_past_opens_and_seals_no_more() -> None:
    changed = Seal(b"n" * 32, b"k" * 32)
    assert changed.open(SEAL.close("psk_1", "burg"), "burg") == "psk_1"
    assert not SEAL.opens(changed.close("psk_2", "burg"), "burg")


def test_what_the_past_sealed_is_sealed_anew_and_all_else_left_as_it_is() -> None:
    changed, present = Seal(b"n" * 32, b"k" * 32), Seal(b"n" * 32)
    renewed = changed.renewed(SEAL.close("psk_1", "burg"), "burg")
    assert present.open(renewed, "burg") == "psk_1"
    assert changed.renewed(renewed, "burg") == renewed
    lost = OTHER.close("psk_1", "burg")
    assert changed.renewed(lost, "burg") == lost
