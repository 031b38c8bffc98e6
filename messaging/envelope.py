"""The envelope: CloudEvents 1.0 in structured JSON, with our extensions `version`, `traceparent`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from messaging.events import REGISTRY, EventData
from service_kit.clock import Clock
from service_kit.correlation import current_traceparent
from service_kit.ids import new_id

CONTENT_TYPE = "application/cloudevents+json"
DataT = TypeVar("DataT", bound=EventData)


class UnreadableEvent(Exception):
    """A message that is no event of ours: it can only be parked."""


class Envelope(BaseModel):
    """CloudEvents attributes as they stand on the wire; `data` is checked against the registry."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    version: int
    traceparent: str | None = None
    datacontenttype: str = "application/json"
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT]):
    """A fact that happened: `type` of the registry about `subject`, at `version` of that aggregate."""

    id: str
    type: str
    source: str
    subject: str
    version: int
    time: datetime
    traceparent: str
    data: DataT

    def to_document(self) -> dict[str, Any]:
        """The wire form as a dict, which is also how it waits in an outbox."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "version": self.version,
            "traceparent": self.traceparent,
            "datacontenttype": "application/json",
            "data": self.data.model_dump(mode="json", by_alias=True),
        }


def new_event(type_: str, *, source: str, subject: str, version: int, data: DataT, clock: Clock) -> Event[DataT]:
    """A new event of the registry, in the trace of the work in hand."""
    expected = REGISTRY[type_]
    if not isinstance(data, expected):
        raise TypeError(f"{type_} carries {expected.__name__}, not {type(data).__name__}")
    return Event(new_id(), type_, f"/{source}", subject, version, clock.now(), current_traceparent(), data)


def encode(document: dict[str, Any]) -> bytes:
    return to_json(document)


def decode(body: bytes) -> Event[Any]:
    """The event in a message body. Raises UnreadableEvent."""
    try:
        envelope = Envelope.model_validate(from_json(body))
        kind = REGISTRY[envelope.type]
        data = kind.model_validate(envelope.data)
    except (ValueError, KeyError, ValidationError) as error:
        raise UnreadableEvent(f"{type(error).__name__}: {error}") from error
    return Event(
        envelope.id,
        envelope.type,
        envelope.source,
        envelope.subject,
        envelope.version,
        envelope.time,
        envelope.traceparent or "",
        data,
    )
