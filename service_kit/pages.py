"""Lists: an opaque cursor, a bounded limit, `{items, nextCursor}` and a `Link` header."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import SerializerFunctionWrapHandler, model_serializer

from service_kit.errors import Invalid
from service_kit.models import Model

T = TypeVar("T")
LONGEST_CURSOR = 2000


class Page(Model, Generic[T]):
    items: list[T]
    next_cursor: str | None = None

    # Without a return type, which would take the place of the model's own schema in openapi.json.
    @model_serializer(mode="wrap")
    def _with_cursor(self, plain: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        """The last page says `nextCursor: null` even where a route leaves out what is null."""
        fields = plain(self)
        if not {"nextCursor", "next_cursor"} & fields.keys():
            fields["nextCursor"] = None
        return fields


class BadCursor(Invalid):
    slug, title = "bad-cursor", "The cursor is not one of ours"

    def __init__(self) -> None:
        super().__init__("Use the `nextCursor` of an earlier answer", faults=[("cursor", "not a valid cursor")])


def encode_cursor(position: Sequence[str | int | float | None]) -> str:
    """An opaque cursor for a position: the sort values of the last row given."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The position in a cursor; raises BadCursor unless its values are of these kinds."""
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        # Neither NaN nor a lone surrogate may get as far as a database.
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadCursor from error
    if not isinstance(values, list) or len(values) != len(kinds):
        raise BadCursor
    if any(type(value) is not kind for value, kind in zip(values, kinds, strict=True)):
        raise BadCursor
    if any(type(value) is int and not -(2**63) <= value < 2**63 for value in values):
        raise BadCursor  # more than MongoDB or Elasticsearch can compare with
    return values


class Paging:
    """The `cursor` and `limit` of a request."""

    def __init__(
        self,
        cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> None:
        self.cursor = cursor
        self.limit = limit

    def after(self, *kinds: type) -> list[Any] | None:
        """The position to go on from, or None for the first page."""
        return decode_cursor(self.cursor, *kinds) if self.cursor else None


PageRequest = Annotated[Paging, Depends()]


def cut(
    rows: list[T], limit: int, position: Callable[[T], Sequence[str | int | float | None]]
) -> tuple[list[T], str | None]:
    """`rows` were read with `limit + 1`: the page, and the cursor of the next one if there is any."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(position(rows[limit - 1]))


def link_next(request: Request, response: Response, next_cursor: str | None) -> None:
    """Set `Link: <…>; rel="next"` when there is a next page."""
    if next_cursor:
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
