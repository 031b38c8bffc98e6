"""Base model and field types for everything that comes in or goes out over HTTP."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

ALLOWED_WHITESPACE = "\n\t"
# Normalization takes quadratic time on a run of combining marks: a body full of them would take minutes.
LONGEST_LINE = 2_000
# Seconds may be left out, as browsers do.
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$", re.ASCII)


class Model(BaseModel):
    """camelCase on the wire, snake_case in Python; unknown fields are refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", allow_inf_nan=False)


def _clean(value: str, *, multiline: bool) -> str:
    """NFC, trimmed, and free of control and format-breaking characters.

    Right-to-left overrides and the like are category Cf; only the joiners that real scripts
    need (ZWJ, ZWNJ) are let through.
    """
    text = unicodedata.normalize("NFC", value).strip()
    for char in text:
        if multiline and char in ALLOWED_WHITESPACE:
            continue
        category = unicodedata.category(char)
        if category in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} or (category == "Cf" and char not in "\u200c\u200d"):
            raise PydanticCustomError("control_character", "Control characters are not allowed")
    return text


def _clean_line(value: str) -> str:
    if len(value) > LONGEST_LINE:
        raise PydanticCustomError("line_too_long", "A line has at most {most} characters", {"most": LONGEST_LINE})
    return _clean(value, multiline=False)


def _clean_text(value: str) -> str:
    return _clean(value.replace("\r\n", "\n"), multiline=True)


def _not_blank(value: str) -> str:
    if not value:
        raise PydanticCustomError("blank", "Must not be blank")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("datetime_range", "Must be a year from 1 to 9999 in UTC") from error


def _no_bool(value: object) -> object:
    if isinstance(value, bool | str):
        raise PydanticCustomError("number_type", "Must be a number")
    return value


def _rfc3339_text(value: object) -> object:
    # Pydantic alone would also take "1790000000" and "20261121T193000Z".
    if not isinstance(value, datetime) and not (isinstance(value, str) and RFC3339.match(value)):
        raise PydanticCustomError("datetime_type", "Must be an RFC 3339 time with an offset")
    return value


def rfc3339(value: datetime) -> str:
    """`2026-11-21T19:30:00.000Z`-like text in the zone that `value` carries; UTC is written as Z."""
    spec = "milliseconds" if value.microsecond else "seconds"
    return value.isoformat(timespec=spec).replace("+00:00", "Z")


# One line of text: names, labels, cities. Length is set where it is used.
Line = Annotated[str, AfterValidator(_clean_line)]
Name = Annotated[str, Field(max_length=200), AfterValidator(_clean_line), AfterValidator(_not_blank)]
# Several lines: descriptions.
Text = Annotated[str, Field(max_length=5000), AfterValidator(_clean_text)]
# An id in a body: only its shape is bounded; whether it exists is the store's answer (404).
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
# Strict numbers: neither "12" nor true is a number.
Int = Annotated[int, Field(strict=True)]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
# Money in minor units, as much as a JSON number keeps exactly in every client.
MOST_MINOR = 1_000_000_000_00
Minor = Annotated[int, Field(strict=True, ge=0, le=MOST_MINOR)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
# A moment with an offset, kept in UTC, answered with its offset.
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339_text),
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]


class Location(Model):
    """WGS 84, degrees."""

    lat: Annotated[Number, Field(ge=-90, le=90)]
    lon: Annotated[Number, Field(ge=-180, le=180)]
