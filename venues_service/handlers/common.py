"""Steps that several use cases share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from messaging.envelope import Event, new_event
from messaging.events import EventData
from service_kit.clock import Clock
from service_kit.errors import DomainError
from service_kit.mongo import Document
from venues_service.domain.drafts import Made, PlanT, StateT, Wanted
from venues_service.store.base import Collection

SOURCE = "venues_service"
ATTEMPTS = 5

# Raises PreconditionFailed where the caller knows another version than the present one.
Precondition = Callable[[int], None]
Outcome = Made[StateT] | DomainError
Outcomes = dict[int, Outcome[StateT]]


def told(type_: str, subject: str, version: int, data: EventData, clock: Clock) -> Event[EventData]:
    """The event that tells of a change of the catalogue."""
    return new_event(type_, source=SOURCE, subject=subject, version=version, data=data, clock=clock)


async def part_by_ref(
    store: Collection, wanted: Sequence[Wanted[PlanT]], outcomes: Outcomes[StateT]
) -> dict[int, Wanted[PlanT]]:
    """Note as outcomes the refs that are there already; returns the rest. Both by position."""
    known = await store.ids_by_ref([item.ref for item in wanted if item.ref])
    rest = {}
    for position, item in enumerate(wanted):
        if item.ref and item.ref in known:
            outcomes[position] = Made(known[item.ref])
        else:
            rest[position] = item
    return rest


async def insert(
    store: Collection,
    documents: Mapping[int, Document],
    states: Mapping[int, StateT],
    outcomes: Outcomes[StateT],
    otherwise: Callable[[Document], Awaitable[Outcome[StateT] | None]],
) -> None:
    """Insert documents and note the outcomes, both by position.

    What can't be inserted goes to `otherwise`: it is our own document from an earlier try of the same request (None),
    or clashes with another one. A ref that somebody else was faster with is no failure.
    """
    positions = list(documents)
    clashes = await store.insert_each(list(documents.values()))
    for index, position in enumerate(positions):
        document = documents[position]
        clash = clashes.get(index, {})
        outcome: Outcome[StateT] | None = await otherwise(document) if clash else None
        if "externalRef" in clash:
            known = await store.ids_by_ref([document["externalRef"]])
            outcome = Made(known.get(document["externalRef"], str(document["_id"])))
        outcomes[position] = outcome or Made(str(document["_id"]), states[position])
