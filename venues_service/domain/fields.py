"""Field types that several drafts share."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError, to_json

from service_kit.models import Line, Name
from venues_service.domain.drafts import is_deeper

MOST_EXTRA_BYTES = 8_192
MOST_EXTRA_LEVELS = 5
LONGEST_INTEGER = 2**53

City = Annotated[Name, Field(max_length=100)]
ShortLine = Annotated[Line, Field(max_length=100)]
LongLine = Annotated[Line, Field(max_length=300)]
Keyword = Annotated[Name, Field(max_length=100)]
WebAddress = Annotated[str, Field(max_length=2_000, pattern=r'^https?://[^\s\x00-\x20\x7f<>"]+$')]
# The client's own key of a thing it imports.
Ref = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Free-form JSON that any database can hold: bounded, and no key that could be read as an operator or a path."""
    if is_deeper(value, MOST_EXTRA_LEVELS):
        raise PydanticCustomError("too_deep", f"May be nested {MOST_EXTRA_LEVELS} deep")
    _check_keys(value)
    if len(to_json(value)) > MOST_EXTRA_BYTES:
        raise PydanticCustomError("too_large", f"May have at most {MOST_EXTRA_BYTES} bytes")
    return value


def _check_keys(value: object) -> None:
    if isinstance(value, list):
        for part in value:
            _check_keys(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if not name.isprintable() or name.startswith("$") or "." in name or not name:
                raise PydanticCustomError("field_name", "A field's name may have no dot, no leading $ and no controls")
            _check_keys(part)
    elif isinstance(value, str):
        if "\x00" in value:
            raise PydanticCustomError("control_character", "Control characters are not allowed")
    elif isinstance(value, int) and abs(value) > LONGEST_INTEGER:
        raise PydanticCustomError("integer_size", "An integer may have at most 53 bits")
    elif isinstance(value, float) and value - value != 0:
        raise PydanticCustomError("finite_number", "Must be a finite number")


Extra = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
