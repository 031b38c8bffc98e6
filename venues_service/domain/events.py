"""Events: what is performed."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from messaging.events import EventState
from service_kit.errors import Conflict
from service_kit.models import Int, Model, Name, Text
from venues_service.domain.fields import Keyword, ShortLine, WebAddress

DEFAULT_MINUTES = 120
PARTIAL_DATE = re.compile(r"^\d{4}(-\d{2}(-\d{2})?)?$")


class EventInUse(Conflict):
    slug, title = "event-in-use", "The event has upcoming showtimes"


def _calendar_date(text: str) -> str:
    """Often only the year of a release is known, or its month."""
    try:
        if not PARTIAL_DATE.match(text):
            raise ValueError
        date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text)
    except ValueError as error:
        raise PydanticCustomError("date", "Must be a date, as 2026-11-21, 2026-11 or 2026") from error
    return text


class MetadataDraft(Model):
    genre: ShortLine | None = None
    language: ShortLine | None = None
    release_date: Annotated[ShortLine, AfterValidator(_calendar_date)] | None = None
    duration_minutes: Annotated[Int, Field(ge=1, le=1_440)] | None = None
    trailer_url: WebAddress | None = None
    certificate: ShortLine | None = None
    people: Annotated[list[Keyword], Field(max_length=50, default_factory=list)]
    alternate_names: Annotated[list[Name], Field(max_length=20, default_factory=list)]


class EventDraft(Model):
    name: Name
    category: Annotated[Name, Field(max_length=60)]
    description: Text = ""
    keywords: Annotated[list[Keyword], Field(max_length=50, default_factory=list)]
    image_url: WebAddress | None = None
    metadata: MetadataDraft = MetadataDraft()


def event_state(event_id: str, version: int, draft: EventDraft) -> EventState:
    return EventState.model_validate({**draft.model_dump(by_alias=True), "eventId": event_id, "version": version})


def draft_fields(event: EventState) -> dict[str, Any]:
    return event.model_dump(by_alias=True, exclude={"event_id", "version"}, exclude_none=True)
