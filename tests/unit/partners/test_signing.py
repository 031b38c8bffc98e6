"""Signatures between us and a theatre."""

from pathlib import Path

import pytest

from partners_service.domain.signing import BadSignature, answer_text, request_text, sign, verify

NOW = 1_800_000_000
TEXT = request_text("PUT", "/bookings/1", "r1", b'{"a":1}')


def test_what_is_signed_by_one_of_the_secrets_is_believed() -> None:
    header = sign(["new", "old"], NOW, TEXT)
    for secrets in (["new"], ["old"], ["other", "old"]):
        verify(header, secrets, NOW + 299, TEXT)


def test_the_signature_is_the_one_of_the_documentation() -> None:
    """For who writes the other end."""
    shown = (Path(__file__).parents[3] / "docs" / "partners.md").read_text()
    text = request_text(
        "PUT",
        "/marquee/bookings/0199b2f0-1f6e-7cc3-98c4-dc0c0c07398f",
        "0199b2f0-2a00-7000-8000-000000000001",
        b'{"seatIds":["A1"]}',
    )
    assert sign(["psk_example"], 1_790_000_000, text) in shown.split()


@pytest.mark.parametrize(
    "text",
    [
        request_text("DELETE", "/bookings/1", "r1", b'{"a":1}'),
        request_text("PUT", "/bookings/2", "r1", b'{"a":1}'),
        request_text("PUT", "/bookings/1", "r2", b'{"a":1}'),
        request_text("PUT", "/bookings/1", "r1", b'{"a":2}'),
        answer_text(200, "/bookings/1", "r1", b'{"a":1}'),
    ],
)
def test_a_signature_is_good_for_nothing_else(text: tuple[str, bytes]) -> None:
    with pytest.raises(BadSignature, match="wrong"):
        verify(sign(["mine"], NOW, TEXT), ["mine"], NOW, text)


@pytest.mark.parametrize("away", [-301, 301])
def test_a_signature_of_another_time_is_refused(away: int) -> None:
    with pytest.raises(BadSignature, match="another time"):
        verify(sign(["mine"], NOW + away, TEXT), ["mine"], NOW, TEXT)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "v1=00",
        "t=,v1=00",
        "t=١٢٣,v1=00",
        f"t={NOW}",
        f"t={NOW},t={NOW},v1=00",
        f"t={NOW},v1=é",
        "t=" + "9" * 5000,
    ],
)
def test_what_is_no_signature_is_refused(header: str | None) -> None:
    with pytest.raises(BadSignature):
        verify(header, ["mine"], NOW, TEXT)
