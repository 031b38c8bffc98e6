"""Venues: what may be said about one, and when two names are the same."""

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

import tzfpy
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from messaging.events import VenueState
from service_kit.countries import country_code
from service_kit.errors import Conflict, Invalid
from service_kit.folding import fold
from service_kit.models import Int, Location, Model, Name
from venues_service.domain.drafts import refuse
from venues_service.domain.fields import City, Extra, LongLine, ShortLine, WebAddress

# Not places: what some systems install beside the zones.
NO_ZONES = {"localtime", "Factory", "posixrules"}
PARTNER_ID = re.compile("[0-9A-Za-z_-]{1,64}")
# Fields that, when absent, follow from the address or the location.
DERIVED = ("country", "timezone", "location")
LOCATING = {*DERIVED, "city", "address"}


class VenueNameTaken(Conflict):
    """Names the venue that has it: `venueId`."""

    slug, title = "venue-name-taken", "A venue of this name is in this city already"


class VenueInUse(Conflict):
    slug, title = "venue-in-use", "The venue has upcoming showtimes"


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)


def _known_zone(name: str) -> str:
    if name not in zones():
        raise PydanticCustomError("timezone", "Must be an IANA time zone, such as Europe/Paris")
    return name


def _known_country(text: str) -> str:
    code = country_code(text)
    if code is None:
        raise PydanticCustomError("country", "Must be an ISO 3166-1 country code, such as FR")
    return code


def _naming_a_theatre(value: dict[str, Any]) -> dict[str, Any]:
    """`{adapter: "http", id}` has that partner confirm what is sold; notes of any other kind have no effect."""
    if value.keys() & {"adapter", "id"}:
        theatre = value.get("id")
        named = isinstance(theatre, str) and PARTNER_ID.fullmatch(theatre)
        if value.keys() != {"adapter", "id"} or value["adapter"] != "http" or not named:
            raise PydanticCustomError("partner", 'Must be {"adapter": "http", "id": the id of a partner}')
    return value


def theatre_of(partner: Mapping[str, Any] | None) -> str | None:
    """The id of the theatre that a venue's `partner` names, if it does."""
    return partner.get("id") if partner else None


class AddressDraft(Model):
    """`country` here may be a name as people write it; it is kept as given."""

    street: LongLine = ""
    district: ShortLine = ""
    state: ShortLine = ""
    postal_code: Annotated[ShortLine, Field(max_length=30)] = ""
    country: ShortLine = ""


class RefundRuleDraft(Model):
    hours_before: Annotated[Int, Field(ge=0, le=24 * 366)]
    percent: Annotated[Int, Field(ge=0, le=100)]


class RefundPolicyDraft(Model):
    """Rules in any order, kept from the earliest to the latest. To wait must not pay."""

    rules: Annotated[list[RefundRuleDraft], Field(max_length=10, default_factory=list)]
    keep_fee: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _falling(self) -> Self:
        self.rules.sort(key=lambda rule: -rule.hours_before)
        for earlier, later in pairwise(self.rules):
            if earlier.hours_before == later.hours_before:
                raise PydanticCustomError("refund_policy", "Two rules for the same hour")
            if earlier.percent < later.percent:
                raise PydanticCustomError("refund_policy", "A later rule must not give more than an earlier one")
        return self


class VenueDraft(Model):
    name: Name
    city: City
    country: Annotated[ShortLine, AfterValidator(_known_country)] | None = None
    timezone: Annotated[ShortLine, AfterValidator(_known_zone)] | None = None
    address: AddressDraft = AddressDraft()
    location: Location | None = None
    image_urls: Annotated[list[WebAddress], Field(max_length=20, default_factory=list)]
    partner: Annotated[Extra, AfterValidator(_naming_a_theatre)] | None = None
    refund_policy: RefundPolicyDraft = Field(default_factory=RefundPolicyDraft)

    def derived(self) -> list[str]:
        """The names of the fields that the client left to us."""
        return [name for name in DERIVED if getattr(self, name) is None]


def stated_country(draft: VenueDraft) -> str | None:
    """The country that the draft names, if we know it. Raises Invalid for a code that is none.

    A country's name in its own language is not in our table; then the place decides.
    """
    if draft.country:
        return draft.country
    text = draft.address.country
    code = country_code(text) if text else None
    if text and code is None and len(text) <= 3 and text.isascii():
        raise refuse([("/address/country", "Must be a country, such as FR or France")])
    return code


def zone_at(location: Location) -> str:
    """The time zone at a place; raises Invalid where there is none that Python knows."""
    name = tzfpy.get_tz(location.lon, location.lat)
    if name not in zones():
        raise Invalid("No time zone is known there", faults=[("/timezone", "Give the time zone of this location")])
    return name


def name_key(name: str, city: str, country: str) -> str:
    """Equal for two venues that may not both exist."""
    return f"{country}|{fold(city)}|{fold(name)}"


def search_key(venue: VenueState) -> str:
    """Everything that a search by text looks through, folded."""
    address = venue.address
    return fold(" ".join([venue.name, venue.city, address.district, address.street, address.state]))


def venue_state(
    venue_id: str, version: int, draft: VenueDraft, *, country: str, timezone: str, location: Location
) -> VenueState:
    """The venue as it stands once everything is known about it."""
    return VenueState.model_validate(
        {
            **draft.model_dump(by_alias=True, exclude={"country", "timezone", "location"}),
            "venueId": venue_id,
            "version": version,
            "country": country,
            "timezone": timezone,
            "location": location.model_dump(),
        }
    )


def draft_fields(venue: VenueState, without: list[str]) -> dict[str, Any]:
    """The venue in the fields of a draft, less those that are to be derived anew."""
    return venue.model_dump(by_alias=True, exclude={"venue_id", "version", *without}, exclude_none=True)
