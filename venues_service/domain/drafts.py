"""What a client may say about a thing before it is one: checking, and changing by JSON merge patch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from service_kit.errors import Conflict, DomainError, Invalid

DEEPEST = 20
MOST_FAULTS = 1_000

DraftT = TypeVar("DraftT", bound=BaseModel)
StateT = TypeVar("StateT")
PlanT = TypeVar("PlanT")


class ChangedMeanwhile(Conflict):
    slug, title = "changed-meanwhile", "Others changed it again and again; try once more"


@dataclass(frozen=True)
class Wanted(Generic[PlanT]):
    """One thing to create under `id`; `ref` is the client's own stable key for it."""

    id: str
    draft: PlanT
    ref: str | None = None


@dataclass(frozen=True)
class Made(Generic[StateT]):
    """The outcome for one wanted thing: it stands in the catalogue, newly or (by its `ref`) already before."""

    id: str
    state: StateT | None = None

    @property
    def is_new(self) -> bool:
        return self.state is not None


def only(outcomes: Iterable[Made[StateT] | DomainError]) -> StateT:
    """The one thing made. Raises what stood in its way."""
    (outcome,) = outcomes
    if isinstance(outcome, DomainError):
        raise outcome
    assert outcome.state is not None  # noqa: S101 - only a ref can meet an old one, and here was none
    return outcome.state


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parse(model: type[DraftT], data: object, base: str = "") -> DraftT:
    """`data` as a draft. Raises Invalid with a pointer for each fault, less `base` where we wrapped the data."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error, base) from error


def invalid(error: ValidationError, base: str = "") -> Invalid:
    places = [(pointer(*fault["loc"]), fault["msg"]) for fault in error.errors(include_url=False, include_input=False)]
    return refuse([(printable(at.removeprefix(base)), text) for at, text in places[:MOST_FAULTS]])


def refuse(faults: list[tuple[str, str]]) -> Invalid:
    """The refusal that names all these faults."""
    return Invalid(f"{len(faults)} field(s) can't be accepted", faults=faults)


def printable(text: str) -> str:
    """`text` cut to a sane length, without what can't be encoded (lone surrogates in a field's name)."""
    return text[:300].encode("utf-8", "replace").decode()


def merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`target` changed by a JSON merge patch (RFC 7396): null removes a field. Raises Invalid when it is too deep."""
    if is_deeper(patch, DEEPEST):
        raise Invalid(f"The patch is nested more than {DEEPEST} deep")
    return _merged(target, patch)


def _merged(target: object, patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = value
    return result


def is_deeper(value: object, levels: int) -> bool:
    """Whether objects and arrays are nested more than `levels` deep."""
    if not isinstance(value, Mapping | list):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(is_deeper(part, levels - 1) for part in inner)
