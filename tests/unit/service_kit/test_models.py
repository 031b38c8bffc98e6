"""Text from outside."""

import time

import pytest
from pydantic import TypeAdapter, ValidationError

from service_kit.models import LONGEST_LINE, Line

LINE = TypeAdapter[str](Line)


def test_a_line_is_composed_and_trimmed() -> None:
    assert LINE.validate_python("  Ame\u0301lie ") == "Amélie"


@pytest.mark.parametrize("text", ["a\u0000b", "a\nb", "a\u202eb", "a\u200bb", "a\ud800b", "a\ue000b"])
def test_a_line_has_no_control_or_format_characters(text: str) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(text)


def test_half_a_million_combining_marks_are_refused_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(ValidationError, match=str(LONGEST_LINE)[-3:]):
        LINE.validate_python("a" + "\u0301\u0323" * 250_000)
    assert time.monotonic() - started < 1
