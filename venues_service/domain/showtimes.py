"""Showtimes: when an event plays in which hall, and what its seats cost."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from messaging.events import EventState, Pricing, SalesWindow, ShowtimeState, VenueState
from service_kit.errors import Conflict
from service_kit.ids import new_id
from service_kit.models import Currency, Id, Int, Minor, Model, Moment
from venues_service.domain.currencies import CODES
from venues_service.domain.drafts import pointer, refuse
from venues_service.domain.events import DEFAULT_MINUTES
from venues_service.domain.halls import Hall, Slot
from venues_service.domain.layouts import SEAT_TYPES

CLEANING = timedelta(minutes=15)
MOST_TICKETS = 10
FURTHEST_AHEAD = timedelta(days=731)
# What a change may not touch: another hall or event is another showtime.
FIXED = ("eventId", "venueId", "hallId")


class ShowtimeOver(Conflict):
    slug, title = "showtime-over", "The showtime is over or cancelled"


def _known_currency(code: str) -> str:
    if code not in CODES:
        raise PydanticCustomError("currency", "Must be a currency code of ISO 4217, such as EUR")
    return code


def _minute(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError as error:
        raise PydanticCustomError("time", "Must be a time of day, as 17:00") from error
    return text


class PricingDraft(Model):
    """`tiers`: minor units by seat type or by section id; a section's price wins over a type's."""

    currency: Annotated[Currency, AfterValidator(_known_currency)]
    tiers: Annotated[dict[Annotated[str, Field(max_length=100)], Minor], Field(min_length=1, max_length=1_000)]
    fee: Minor = 0


class PromotionDraft(Model):
    """`matinee`: off shows that start before `before`; `third-ticket`; `code`: for who gives it.

    The percentage of the first two has a default where the price is made. Each may hold for holds made in
    `[from, until)`, for `minTickets` or more, and for tickets of `minAmount` (minor units) or more before discounts.

    A code may have a `limit` of uses in total and a `limitPerPerson`, counted per showtime; of all showtimes that name
    the same `campaign`, together.
    """

    kind: Literal["matinee", "third-ticket", "code"]
    percent: Annotated[Int, Field(ge=1, le=100)] | None = None
    code: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[!-~]{1,50}$")] | None = None
    before: Annotated[str, Field(pattern=r"^\d\d:\d\d$"), AfterValidator(_minute)] | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None
    min_tickets: Annotated[Int, Field(ge=1, le=MOST_TICKETS)] | None = None
    min_amount: Minor | None = None
    limit: Annotated[Int, Field(ge=1, le=1_000_000)] | None = None
    limit_per_person: Annotated[Int, Field(ge=1, le=1_000)] | None = None
    campaign: Id | None = None

    @model_validator(mode="before")
    @classmethod
    def _kind_from_code(cls, value: Any) -> Any:
        """`{code, percent}` says its kind well enough."""
        return (
            {**value, "kind": "code"} if isinstance(value, dict) and "code" in value and "kind" not in value else value
        )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "code" and (self.code is None or self.percent is None):
            raise PydanticCustomError("promotion", "A code needs `code` and `percent`")
        if self.kind != "code" and self.code is not None:
            raise PydanticCustomError("promotion", "Only kind `code` has a `code`")
        limits = (self.limit, self.limit_per_person, self.campaign)
        if self.kind != "code" and limits != (None, None, None):
            raise PydanticCustomError("promotion", "Only kind `code` has `limit`, `limitPerPerson` or `campaign`")
        if self.campaign and not self.limit and not self.limit_per_person:
            raise PydanticCustomError("promotion", "A `campaign` is for a `limit` or a `limitPerPerson`")
        if self.kind != "matinee" and self.before is not None:
            raise PydanticCustomError("promotion", "Only kind `matinee` has `before`")
        if self.from_ and self.until and self.until <= self.from_:
            raise PydanticCustomError("promotion", "`until` must be after `from`")
        return self


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)


# As exact as the database keeps it.
KeptMoment = Annotated[Moment, AfterValidator(_in_milliseconds)]


class SalesDraft(Model):
    """When tickets are on sale: `[from, until)`. Without `from` at once, without `until` to the start of the show."""

    from_: KeptMoment | None = Field(default=None, alias="from")
    until: KeptMoment | None = None


class ShowtimeDraft(Model):
    """`startsAt` may be called `timestamp`."""

    venue_id: Id
    hall_id: Id
    starts_at: KeptMoment | None = None
    timestamp: KeptMoment | None = None
    pricing: PricingDraft
    promotions: Annotated[list[PromotionDraft], Field(max_length=20, default_factory=list)]
    on_sale: SalesDraft = SalesDraft()
    single_seat_rule: Annotated[bool, Field(strict=True)] = True

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if (self.starts_at is None) == (self.timestamp is None):
            raise PydanticCustomError("starts_at", "Give exactly one of `startsAt` and `timestamp`")
        return self

    @property
    def start(self) -> datetime:
        start = self.starts_at or self.timestamp
        assert start is not None  # noqa: S101 - the validator saw to it
        return start

    @property
    def start_field(self) -> str:
        return "startsAt" if self.starts_at else "timestamp"


def check_start(draft: ShowtimeDraft, now: datetime) -> None:
    """Raises Invalid for a start in the past or too far ahead."""
    at = pointer(draft.start_field)
    if draft.start <= now:
        raise refuse([(at, "Must be in the future")])
    if draft.start > now + FURTHEST_AHEAD:
        raise refuse([(at, "Must be within two years")])


def sales(draft: SalesDraft, starts: datetime, ends: datetime) -> SalesWindow:
    """The sales window of a showtime `[starts, ends)`. Raises Invalid for one without a moment, or beyond the end."""
    faults = []
    if draft.from_ is not None and draft.from_ >= (draft.until or starts):
        faults.append((pointer("onSale", "from"), "Must be before the end of sales"))
    if draft.until is not None and draft.until > ends:
        faults.append((pointer("onSale", "until"), "Must not be after the end of the show"))
    if faults:
        raise refuse(faults)
    return SalesWindow(from_=draft.from_, until=draft.until)


def priced(pricing: PricingDraft, types_by_section: Mapping[str, Mapping[str, int]]) -> Pricing:
    """The pricing for this layout. Raises Invalid for a tier that names nothing, or a seat without a price."""
    tiers: dict[str, int] = {}
    faults = []
    for key, amount in pricing.tiers.items():
        name = key if key in types_by_section else key.lower()
        if name not in types_by_section and name not in SEAT_TYPES:
            faults.append((pointer("pricing", "tiers", key), "Neither a seat type nor a section of this hall"))
        elif name in tiers:
            faults.append((pointer("pricing", "tiers", key), f"Priced twice: {name}"))
        tiers[name] = amount
    uncovered = {
        seat_type
        for section_id, counts in types_by_section.items()
        for seat_type in counts
        if section_id not in tiers and seat_type not in tiers
    }
    if uncovered:
        faults.append(("/pricing/tiers", f"No price for seats of type {', '.join(sorted(uncovered))}"))
    if faults:
        raise refuse(faults)
    return Pricing(currency=pricing.currency, tiers=tiers, fee=pricing.fee)


def ends_at(start: datetime, event: EventState) -> datetime:
    return start + timedelta(minutes=event.metadata.duration_minutes or DEFAULT_MINUTES)


def slot_of(showtime: ShowtimeState, now: datetime) -> Slot:
    """A new claim for the time of this showtime."""
    return Slot(
        claim=new_id(),
        showtime_id=showtime.showtime_id,
        event_id=showtime.event.event_id,
        starts=showtime.starts_at,
        ends=showtime.ends_at,
        until=showtime.ends_at + CLEANING,
        at=now,
    )


def scheduled(
    showtime_id: str, draft: ShowtimeDraft, *, event: EventState, venue: VenueState, hall: Hall, now: datetime
) -> ShowtimeState:
    """The showtime of a draft. Raises Invalid."""
    check_start(draft, now)
    ends = ends_at(draft.start, event)
    return ShowtimeState(
        showtime_id=showtime_id,
        version=1,
        status="scheduled",
        starts_at=draft.start,
        ends_at=ends,
        hall_id=hall.state.hall_id,
        hall_name=hall.state.name,
        layout_version=hall.state.layout_version,
        seat_count=hall.state.seat_count,
        pricing=priced(draft.pricing, hall.types_by_section),
        promotions=promotions(draft),
        on_sale=sales(draft.on_sale, draft.start, ends),
        single_seat_rule=draft.single_seat_rule,
        event=event,
        venue=venue,
    )


def promotions(draft: ShowtimeDraft) -> list[dict[str, Any]]:
    return [promotion.model_dump(mode="json", by_alias=True, exclude_none=True) for promotion in draft.promotions]


def draft_fields(showtime: ShowtimeState) -> dict[str, Any]:
    """The showtime in the fields of a draft, and the id of its event."""
    return {
        "eventId": showtime.event.event_id,
        "venueId": showtime.venue.venue_id,
        "hallId": showtime.hall_id,
        "startsAt": showtime.starts_at,
        "pricing": showtime.pricing.model_dump(by_alias=True),
        "promotions": showtime.promotions,
        "onSale": showtime.on_sale.model_dump(by_alias=True),
        "singleSeatRule": showtime.single_seat_rule,
    }
