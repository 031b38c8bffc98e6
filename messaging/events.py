"""The registry of events: a name in the past tense, what it carries, and what it is about.

An event carries the full new state of its aggregate, so that a consumer needs no call back. Seat layouts are the
exception: they are large and immutable, and fetched by (hall, layout version).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# Seats that only go to who asks for them.
ON_REQUEST = frozenset({"wheelchair", "accessible", "companion"})


class EventData(BaseModel):
    """Base of all payloads. Unknown fields are let through: a newer publisher may send more."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class GeoPoint(EventData):
    lat: float
    lon: float


class Address(EventData):
    street: str = ""
    district: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


class RefundRule(EventData):
    """Who gives tickets back at least `hours_before` the show gets `percent` of what he paid for them."""

    hours_before: int
    percent: int


class RefundPolicy(EventData):
    """What comes back for tickets that a buyer gives back: by the first rule whose time is kept, else nothing.

    Without rules all of it does, up to the start of the show. `keep_fee`: the fee of the booking stays with the venue.
    """

    rules: list[RefundRule] = []
    keep_fee: bool = False


class VenueState(EventData):
    """A venue. `version` counts its changes."""

    venue_id: str
    version: int
    name: str
    city: str
    country: str = ""
    timezone: str
    address: Address = Address()
    location: GeoPoint
    image_urls: list[str] = []
    partner: dict[str, Any] | None = None
    refund_policy: RefundPolicy = RefundPolicy()


class HallState(EventData):
    """`seat_count` includes the capacity of general admission."""

    hall_id: str
    venue_id: str
    version: int
    name: str
    layout_version: int
    seat_count: int


class EventMetadata(EventData):
    """`people` made or perform it; `alternate_names` are its titles in other languages and scripts."""

    genre: str | None = None
    language: str | None = None
    release_date: str | None = None
    duration_minutes: int | None = None
    trailer_url: str | None = None
    certificate: str | None = None
    people: list[str] = []
    alternate_names: list[str] = []


class EventState(EventData):
    """What is performed: a film, a play, a concert."""

    event_id: str
    version: int
    name: str
    category: str
    description: str = ""
    keywords: list[str] = []
    image_url: str | None = None
    metadata: EventMetadata = EventMetadata()


class Pricing(EventData):
    """Minor units of `currency`; `tiers` by seat type or by section id, the section winning."""

    currency: str
    tiers: dict[str, int]
    fee: int = 0


class SalesWindow(EventData):
    """When tickets are on sale: `[from, until)`. Without `from` at once, without `until` to the start of the show."""

    from_: datetime | None = Field(default=None, alias="from")
    until: datetime | None = None


class ShowtimeState(EventData):
    """A showtime with what consumers need of its event, venue and hall as they were at that version.

    `seat_count` includes the capacity of general admission. Under `single_seat_rule` no choice of seats may strand a
    single one.
    """

    showtime_id: str
    version: int
    status: Literal["scheduled", "cancelled"]
    starts_at: datetime
    ends_at: datetime
    hall_id: str
    hall_name: str
    layout_version: int
    seat_count: int
    pricing: Pricing
    promotions: list[dict[str, Any]] = []
    on_sale: SalesWindow = SalesWindow()
    single_seat_rule: bool = True
    event: EventState
    venue: VenueState

    @property
    def sales_end(self) -> datetime:
        return self.on_sale.until or self.starts_at


class TypeAvailability(EventData):
    """Seats of one type. `together` as of all seats; of a wheelchair space's type for a party of n around one space."""

    total: int
    available: int
    largest_block: int
    price: int | None = None
    together: list[int] = []


class Availability(EventData):
    """What can still be booked of a showtime at `version` of its seat map.

    `largest_block` is the longest run of free neighbours; `min_price` the cheapest free seat's price. `together[n - 1]`
    is the least that the dearest seat of n neighbours costs, as far as so many are free, and up to ten. All three leave
    out the seats `ON_REQUEST`, but for a `min_price` where there are no others.
    """

    showtime_id: str
    version: int
    as_of: datetime
    status: Literal["open", "closed", "cancelled"] = "open"
    total: int
    available: int
    largest_block: int
    min_price: int | None = None
    currency: str
    together: list[int] = []
    by_seat_type: dict[str, TypeAvailability]


class SeatMapLayout(EventData):
    """The layout that a seat map has since its `version`; a sold seat keeps its id."""

    showtime_id: str
    version: int
    hall_id: str
    layout_version: int
    seat_count: int


class SeatsState(EventData):
    """Seats of a booking that are free again. That seats were held is told by AvailabilityChanged alone (ADR 6)."""

    showtime_id: str
    booking_id: str
    user_id: str
    seat_ids: list[str]


BookingStatus = Literal["pending", "confirmed", "cancelled", "expired", "failed", "refunded"]


class BookingState(EventData):
    """`partner` is the theatre that was asked for it, if one was."""

    booking_id: str
    version: int
    showtime_id: str
    event_id: str
    venue_id: str
    user_id: str
    seat_ids: list[str]
    status: BookingStatus
    amount: int
    currency: str
    held_until: datetime | None = None
    payment_id: str | None = None
    partner: str | None = None
    # When the show began by what the buyer agreed to, and when it begins now, where it was moved since.
    starts_at: datetime | None = None
    moved_to: datetime | None = None


class DisputeState(EventData):
    """A buyer's bank asks about a payment (`inquiry`) or takes `amount` of it back; `lost` is for good."""

    reference: str
    amount: int
    reason: str
    status: Literal["inquiry", "closed", "needs_response", "under_review", "won", "lost"]
    opened_at: datetime
    closed_at: datetime | None = None


class PartnerRequest(EventData):
    """Asks a partner theatre for seats that are paid for; no answer by the `deadline` is a refusal."""

    booking_id: str
    partner: str
    showtime_id: str
    event_id: str
    venue_id: str
    hall_id: str
    event_name: str
    venue_name: str
    hall_name: str
    starts_at: datetime
    seat_ids: list[str]
    amount: int
    currency: str
    deadline: datetime


class PartnerConfirmation(EventData):
    """The theatre has the seats for us; `ticket_ids` are its own, by seat."""

    booking_id: str
    partner: str
    ticket_ids: dict[str, str]


class PartnerRefusal(EventData):
    """The theatre refused or did not answer in time; `reason` is for the buyer."""

    booking_id: str
    partner: str
    reason: str


class PaymentState(EventData):
    """`disputed` is what disputes have taken, or are about to; it is not in `refunded`."""

    payment_id: str
    version: int
    booking_id: str
    user_id: str
    status: Literal["pending", "completed", "failed", "cancelled", "refunded"]
    amount: int
    refunded: int = 0
    currency: str
    provider: str
    provider_reference: str | None = None
    failure: str | None = None
    disputed: int = 0
    disputes: list[DisputeState] = []


class RefundRequest(EventData):
    """Asks for `amount` of a payment back; `refund_id` makes repeats harmless."""

    refund_id: str
    booking_id: str
    payment_id: str
    amount: int
    currency: str
    reason: str


class UserState(EventData):
    user_id: str
    version: int = 1
    email: str | None = None
    name: str | None = None
    role: str


REGISTRY: dict[str, type[EventData]] = {
    "VenueCreated": VenueState,
    "VenueUpdated": VenueState,
    "VenueDeleted": VenueState,
    "HallCreated": HallState,
    "LayoutPublished": HallState,
    "HallDeleted": HallState,
    "EventCreated": EventState,
    "EventUpdated": EventState,
    "EventDeleted": EventState,
    "ShowtimeCreated": ShowtimeState,
    "ShowtimeUpdated": ShowtimeState,
    "ShowtimeCancelled": ShowtimeState,
    "SeatMapOpened": Availability,
    "AvailabilityChanged": Availability,
    "SeatMapMoved": SeatMapLayout,
    "SeatsReleased": SeatsState,
    "BookingConfirmed": BookingState,
    "BookingCancelled": BookingState,
    "BookingExpired": BookingState,
    "BookingFailed": BookingState,
    "BookingReduced": BookingState,
    "BookingRescheduled": BookingState,
    "PartnerConfirmationRequested": PartnerRequest,
    "PartnerConfirmed": PartnerConfirmation,
    "PartnerRefused": PartnerRefusal,
    "PaymentRequested": PaymentState,
    "PaymentSucceeded": PaymentState,
    "PaymentFailed": PaymentState,
    "PaymentRefunded": PaymentState,
    "PaymentDisputed": PaymentState,
    "RefundRequested": RefundRequest,
    "UserRegistered": UserState,
    "UserLoggedIn": UserState,
    "UserUnregistered": UserState,
}
