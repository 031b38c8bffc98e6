"""The rules of accounts that need no database."""

import pytest

from accounts_service.domain import (
    RefreshRefused,
    new_refresh_token,
    normal_email,
    normal_password,
    normal_phone,
    read_refresh_token,
)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com ", "ada@example.com"),
        ("ADA+shows@Example.com", "ada+shows@example.com"),
        ("jürgen@bücher.example", "jürgen@bücher.example"),
        ("ada@checks.test", "ada@checks.test"),
        ("ada@shop.local", "ada@shop.local"),
    ],
)
def test_an_address_has_one_form_however_it_was_typed(typed: str, kept: str) -> None:
    assert normal_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("", "ada", "ada@", "@example.com", "ada@localhost", "ada@@example.com", "a b@example.com"),
        *("Ada <ada@example.com>", "ada@example.com\nbcc: eve@example.com", "ada@exa\x00mple.com", '{"$gt": ""}'),
        "a" * 250 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="Must be an email address"):
        normal_email(typed)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("+49 30 901820", "+4930901820"), ("+1 (202) 555-0100", "+12025550100"), ("030/901820", "030901820")],
)
def test_a_phone_number_is_kept_without_the_separators_people_write(typed: str, kept: str) -> None:
    assert normal_phone(typed) == kept


@pytest.mark.parametrize("typed", ["", "+", "12345", "call me", "+1234567890123456", "٠٣٠٩٠١٨٢٠", "49+30901820"])
def test_what_is_no_phone_number_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="Must be a phone number"):
        normal_phone(typed)


def test_one_password_composed_by_two_keyboards_is_the_same_password() -> None:
    assert normal_password("cafe\u0301-society") == normal_password("caf\u00e9-society")


def test_the_next_refresh_token_is_of_the_same_session_and_another_turn() -> None:
    first = new_refresh_token()
    second = first.next()
    assert read_refresh_token(second.text) == second
    assert second.session_hash == first.session_hash
    assert second.turn_hash != first.turn_hash
    assert first.session not in first.session_hash


@pytest.mark.parametrize("text", ["", ".", "session.", ".turn", "no-dot-at-all"])
def test_what_has_not_even_the_form_of_a_refresh_token_is_refused(text: str) -> None:
    with pytest.raises(RefreshRefused):
        read_refresh_token(text)
