"""What can be asked, checked field by field, and the answers as the contract has them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from search_service.domain import FACETS, Sort, parse_bound, parse_box, parse_distance
from service_kit.models import Line, Location, Model

MOST_SEATS = 1_000
MOST_MINOR_UNITS = 1_000_000_000_00
MOST_SUGGESTIONS = 20
EXPORTED = 100
MOST_EXPORTED = 200
MOST_FEATURES = 500
FINEST_ZOOM = 24
ALL_FACETS = frozenset({"true", "all", "1"})
NO_FACETS = frozenset({"false", "0"})


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Refuses text that `parse` can't read; the text itself is kept."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _facet_names(values: list[str]) -> list[str]:
    names = {name.strip() for value in values for name in value.split(",") if name.strip()}
    if names & ALL_FACETS:
        return list(FACETS)
    if names - {*FACETS, *NO_FACETS}:
        raise ValueError(f"The facets are {', '.join(FACETS)}")
    return [name for name in FACETS if name in names]


def _not_blank(values: list[str]) -> list[str]:
    """Forms send their empty fields too."""
    return [value for value in values if value]


Words = Annotated[Line, Field(max_length=200)]
Several = Annotated[list[Words], Field(max_length=50), AfterValidator(_not_blank)]
Lat = Annotated[float, Field(ge=-90, le=90)]
Lon = Annotated[float, Field(ge=-180, le=180)]
BoxText = Annotated[str, Field(max_length=200), _checked(parse_box)]
StartText = Annotated[str, Field(max_length=64), _checked(lambda text: parse_bound(text, end=False))]
EndText = Annotated[str, Field(max_length=64), _checked(lambda text: parse_bound(text, end=True))]


class PointParams(Model):
    lat: Lat | None = None
    lon: Lon | None = None


class SearchParams(PointParams):
    """Of a list any value may match; different parameters must all match. `bbox` is west,south,east,north.

    `asTyped` has the words of `query` be words: all of them (`true`), or those that were taken for a place, a time …
    """

    distance: Annotated[str, Field(max_length=40), _checked(parse_distance)] | None = None
    near: Words = ""
    bbox: BoxText | None = None
    query: Words = ""
    start_date: StartText | None = None
    end_date: EndText | None = None
    category: Several = Field(default_factory=list)
    genre: Several = Field(default_factory=list)
    language: Several = Field(default_factory=list)
    certificate: Several = Field(default_factory=list)
    city: Several = Field(default_factory=list)
    venue_id: Several = Field(default_factory=list)
    event_id: Several = Field(default_factory=list)
    seats_together: Annotated[int, Field(ge=1, le=MOST_SEATS)] | None = None
    seat_type: Words = ""
    max_price: Annotated[int, Field(ge=0, le=MOST_MINOR_UNITS)] | None = None
    available_only: bool = False
    sort: Sort = "relevance"
    as_typed: list[Literal["true", "place", "time", "price", "party", "distance"]] = Field(default_factory=list)


class ShowsParams(SearchParams):
    """What is looked for, and how the answer is to be cut."""

    group_by: Literal["event"] | None = None
    facets: Annotated[list[Annotated[str, Field(max_length=100)]], AfterValidator(_facet_names)] = Field(
        default_factory=list
    )
    cursor: Annotated[str, Field(max_length=2_000)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ExportParams(SearchParams):
    """The first of what is found, in one piece: no pages, groups or counts."""

    limit: Annotated[int, Field(ge=1, le=MOST_EXPORTED)] = EXPORTED


class MapExportParams(SearchParams):
    """As `ExportParams`, with more of them."""

    limit: Annotated[int, Field(ge=1, le=MOST_FEATURES)] = EXPORTED


class SuggestParams(PointParams):
    q: Words = ""
    limit: Annotated[int, Field(ge=1, le=MOST_SUGGESTIONS)] = 10


class PlacesParams(PointParams):
    q: Words = ""
    limit: Annotated[int, Field(ge=1, le=MOST_SUGGESTIONS)] = 10


class MapParams(Model):
    bbox: BoxText
    zoom: Annotated[int, Field(ge=0, le=FINEST_ZOOM)] = 10


class SeatCounts(Model):
    total: int
    available: int
    largest_block: int
    price: int | None
    together: list[int]


class AvailabilityAnswer(Model):
    """As of the seat map's `version`; null while the seat map isn't there yet.

    `together[n - 1]`: the least that the dearest of n neighbouring seats costs.
    """

    available: int
    total: int
    largest_block: int
    together: list[int]
    by_seat_type: dict[str, SeatCounts]
    as_of: str
    version: int


class PriceAnswer(Model):
    """Minor units: the cheapest free seat, or the cheapest there is where none is free."""

    from_: Annotated[int | None, Field(alias="from")]
    currency: str


class SaleAnswer(Model):
    """When tickets are on sale, and whether they are now: `later`, `open` or `ended`."""

    from_: Annotated[str | None, Field(alias="from")]
    until: str | None
    status: Literal["later", "open", "ended"]


class EventAnswer(Model):
    event_id: str
    name: str
    category: str
    keywords: list[str]
    image_url: str | None
    metadata: dict[str, Any]


class VenueAnswer(Model):
    venue_id: str
    name: str
    city: str
    country: str
    timezone: str
    address: dict[str, str]
    location: Location


class ShowAnswer(Model):
    """`fittingPrice`: what the dearest of the wanted seats costs, where `seatsTogether` or `seatType` is given."""

    showtime_id: str
    starts_at: str
    event: EventAnswer
    venue: VenueAnswer
    distance_meters: float | None
    score: float | None
    price: PriceAnswer
    on_sale: SaleAnswer
    availability: AvailabilityAnswer | None
    fitting_price: int | None = None


class ShowItem(ShowAnswer):
    """With `groupBy=event` the best showtime of an event, and its next ones."""

    showtimes: list[ShowAnswer] | None = None
    showtime_count: int | None = None


class Total(Model):
    value: int
    relation: Literal["eq", "gte"]


class FacetValue(Model):
    """`value` is that of the parameter, but for prices (minor units of `currency`) and rings (metres)."""

    value: str
    count: int
    label: str | None = None
    currency: str | None = None
    from_: Annotated[int | None, Field(alias="from")] = None
    to: int | None = None


class PlaceItem(Model):
    name: str
    country: str
    lat: float
    lon: float
    population: int
    timezone: str
    geoname_id: int
    region: str


class FoundPlace(PlaceItem):
    alternate_names: list[str]


class InterpretedPart(Model):
    """A stretch of `query` and what it was taken for."""

    kind: Literal["words", "place", "time", "price", "party", "distance"]
    text: str
    value: str


class Interpreted(Model):
    """How the words matched (all of them, all but for typos, or some), which place is meant, and which day.

    `parts` are there where the words were read as more than words; `asTyped` undoes it.
    """

    words: str | None
    match: Literal["all", "similar", "some"] | None
    place: PlaceItem | None
    when: str | None
    parts: list[InterpretedPart]


class NearMiss(Model):
    """Where nothing was found: what the same search finds with these `parameters` in place of its own."""

    kind: Literal["wider", "later", "seats", "price"]
    parameters: dict[str, str | None]
    count: int
    starts_at: str
    distance_meters: float | None


class ShowsAnswer(Model):
    items: list[ShowItem]
    total: Total
    facets: dict[str, list[FacetValue]]
    did_you_mean: str | None
    interpreted_as: Interpreted | None
    near_misses: list[NearMiss]
    next_cursor: str | None


class Suggestion(Model):
    """An event or a venue with its `id`, or a place with its position."""

    kind: Literal["event", "venue", "place"]
    text: str
    id: str | None = None
    category: str | None = None
    image_url: str | None = None
    city: str | None = None
    country: str | None = None
    location: Location | None = None
    name: str | None = None
    lat: float | None = None
    lon: float | None = None
    population: int | None = None
    timezone: str | None = None
    geoname_id: int | None = None
    region: str | None = None


class SuggestAnswer(Model):
    items: list[Suggestion]


class PlacesAnswer(Model):
    items: list[FoundPlace]


class FeatureCollection(Model):
    """GeoJSON (RFC 7946): on the map points of kind `venue` or `cluster`, with counts; of a search its showtimes."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]
