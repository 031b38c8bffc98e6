"""Items of a bulk import: the fields of the single calls, with refs allowed in place of ids."""

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from service_kit.models import Id, Model, Name
from venues_service.domain.drafts import pointer, refuse
from venues_service.domain.fields import Ref
from venues_service.domain.layouts import LayoutDraft
from venues_service.domain.showtimes import ShowtimeDraft

Kind = Literal["venue", "hall", "event", "showtime"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_ITEMS = 1_000


class ItemHead(Model):
    """What every item has."""

    kind: Kind
    ref: Ref


class HallItem(Model):
    """`layoutRef` names a hall item before this one in the same request, whose layout is used again."""

    name: Name
    venue_id: Id
    seat_layout: LayoutDraft | None = None
    layout_ref: Ref | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if (self.seat_layout is None) == (self.layout_ref is None):
            raise PydanticCustomError("layout", "Give exactly one of `seatLayout` and `layoutRef`")
        return self


class ShowtimeItem(ShowtimeDraft):
    """In the single call the event is named by the path."""

    event_id: Id


def with_ids(item: Mapping[str, Any], ids: Mapping[Kind, Mapping[str, str]]) -> dict[str, Any]:
    """The item's fields with `venueId` for `venueRef`, and so on. Raises Invalid for a ref that nothing has."""
    fields = {name: value for name, value in item.items() if name not in ItemHead.model_fields}
    faults = []
    for kind in KINDS:
        ref_field, id_field = f"{kind}Ref", f"{kind}Id"
        if ref_field not in fields:
            continue
        ref = fields.pop(ref_field)
        found = ids.get(kind, {}).get(ref) if isinstance(ref, str) else None
        if id_field in fields:
            faults.append((pointer(ref_field), f"Give either `{ref_field}` or `{id_field}`"))
        elif found is None:
            faults.append((pointer(ref_field), f"No {kind} has this ref"))
        else:
            fields[id_field] = found
    if faults:
        raise refuse(faults)
    return fields


def refs_named(item: Mapping[str, Any]) -> dict[Kind, str]:
    """The refs of other things that an item names, as far as they are text."""
    return {kind: ref for kind in KINDS if isinstance(ref := item.get(f"{kind}Ref"), str)}
