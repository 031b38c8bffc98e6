"""Routes of showtimes."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from messaging.events import Pricing, SalesWindow, ShowtimeState
from service_kit.auth import Admin, MaybeCaller, Principal
from service_kit.errors import Invalid
from service_kit.etags import IfMatch, tagged
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.models import Model, Moment
from service_kit.pages import Page, PageRequest, Paging, link_next
from venues_service.domain.drafts import Wanted, only
from venues_service.domain.showtimes import ShowtimeDraft
from venues_service.handlers.showtimes import Filter, ShowtimePlan
from venues_service.http.common import Handlers, MergePatch, Words, created, moment_of
from venues_service.store.showtimes import Showtime

router = APIRouter(tags=["showtimes"], route_class=IdempotentRoute)

Day = Annotated[date | None, Query(ge=date(1970, 1, 1), le=date(9000, 1, 1))]
FirstDay = Annotated[date | None, Query(alias="from", ge=date(1970, 1, 1), le=date(9000, 1, 1))]
LastDay = Annotated[date | None, Query(alias="to", ge=date(1970, 1, 1), le=date(9000, 1, 1))]
VenueId = Annotated[str | None, Query(alias="venueId", max_length=64)]
HallId = Annotated[str | None, Query(alias="hallId", max_length=64)]
EventId = Annotated[str | None, Query(alias="eventId", max_length=64)]


class SalesAnswer(Model):
    """As they are in effect: `until` is the start of the show where nobody set it."""

    from_: Moment | None = Field(alias="from")
    until: Moment


class ShowtimeAnswer(Model):
    """`seat_count` includes the capacity of general admission; only admins and services get to see promo codes."""

    showtime_id: str
    version: int
    status: Literal["scheduled", "cancelled"]
    event_id: str
    venue_id: str
    hall_id: str
    hall_name: str
    starts_at: Moment
    ends_at: Moment
    layout_version: int
    seat_count: int
    pricing: Pricing
    promotions: list[dict[str, Any]]
    on_sale: SalesAnswer
    single_seat_rule: bool


class Wishes:
    """The filters that all lists of showtimes have. Days are those of the venue's own calendar."""

    def __init__(
        self,
        *,
        city: Words = None,
        venue_id: VenueId = None,
        hall_id: HallId = None,
        date: Day = None,
        first: FirstDay = None,
        last: LastDay = None,
    ) -> None:
        if date and (first or last):
            raise Invalid("Give either `date` or `from` and `to`", faults=[("date", "not together with from or to")])
        self.city, self.venue_id, self.hall_id = city, venue_id, hall_id
        self.first, self.last = date or first, date or last

    def filter(self, event_id: str | None) -> Filter:
        return Filter(event_id, self.venue_id, self.hall_id, self.city, self.first, self.last)


WishesOf = Annotated[Wishes, Depends()]


@router.post("/events/{event_id}/showtimes", status_code=201)
async def create_showtime(
    _: Admin, request: Request, response: Response, event_id: str, draft: ShowtimeDraft, handlers: Handlers
) -> ShowtimeAnswer:
    wanted = Wanted(resource_id(request), ShowtimePlan(event_id, draft))
    state = only(await handlers.showtimes.create([wanted]))
    created(response, f"/api/v1/showtimes/{state.showtime_id}", state.version)
    return _of_state(state)


@router.get("/events/{event_id}/showtimes")
async def list_showtimes_of_event(
    request: Request,
    response: Response,
    caller: MaybeCaller,
    *,
    event_id: str,
    wishes: WishesOf,
    page: PageRequest,
    handlers: Handlers,
) -> Page[ShowtimeAnswer]:
    return await _list(request, response, wishes.filter(event_id), page, handlers, caller=caller)


@router.get("/showtimes")
async def list_showtimes(
    request: Request,
    response: Response,
    caller: MaybeCaller,
    *,
    wishes: WishesOf,
    page: PageRequest,
    handlers: Handlers,
    event_id: EventId = None,
) -> Page[ShowtimeAnswer]:
    return await _list(request, response, wishes.filter(event_id), page, handlers, caller=caller)


@router.get("/showtimes/{showtime_id}", response_model=ShowtimeAnswer)
async def read_showtime(
    request: Request, response: Response, showtime_id: str, caller: MaybeCaller, handlers: Handlers
) -> ShowtimeAnswer | Response:
    showtime = await handlers.showtimes.get(showtime_id)
    response.headers["Vary"] = "Authorization"
    return tagged(request, response, showtime.version, _as_seen_by(caller, showtime))


@router.patch("/showtimes/{showtime_id}", response_model=ShowtimeAnswer)
async def change_showtime(
    _: Admin,
    *,
    request: Request,
    response: Response,
    showtime_id: str,
    patch: MergePatch,
    if_match: IfMatch,
    handlers: Handlers,
) -> ShowtimeAnswer | Response:
    showtime = await handlers.showtimes.change(showtime_id, patch, if_match)
    return tagged(request, response, showtime.version, _answer(showtime))


@router.delete("/showtimes/{showtime_id}", response_model=ShowtimeAnswer)
async def cancel_showtime(
    _: Admin, request: Request, response: Response, showtime_id: str, if_match: IfMatch, handlers: Handlers
) -> ShowtimeAnswer | Response:
    """Cancels: it can still be read, as cancelled."""
    showtime = await handlers.showtimes.cancel(showtime_id, if_match)
    return tagged(request, response, showtime.version, _answer(showtime))


async def _list(
    request: Request, response: Response, wanted: Filter, page: Paging, handlers: Handlers, *, caller: Principal | None
) -> Page[ShowtimeAnswer]:
    position = page.after(int, str)
    if position:
        position = [moment_of(position[0]), position[1]]
    items, following = await handlers.showtimes.page(position, page.limit, wanted)
    link_next(request, response, following)
    response.headers["Vary"] = "Authorization"
    return Page(items=[_as_seen_by(caller, showtime) for showtime in items], next_cursor=following)


def _as_seen_by(caller: Principal | None, showtime: Showtime) -> ShowtimeAnswer:
    answer = _answer(showtime)
    if caller is None or not caller.privileged:  # else nobody would have to be told a code, nor to guess one
        answer.promotions = [promotion for promotion in answer.promotions if promotion["kind"] != "code"]
    return answer


def _answer(showtime: Showtime) -> ShowtimeAnswer:
    return ShowtimeAnswer(
        showtime_id=showtime.id,
        version=showtime.version,
        status="scheduled" if showtime.status == "scheduled" else "cancelled",
        event_id=showtime.event_id,
        venue_id=showtime.venue_id,
        hall_id=showtime.hall_id,
        hall_name=showtime.hall_name,
        starts_at=showtime.starts_at,
        ends_at=showtime.ends_at,
        layout_version=showtime.layout_version,
        seat_count=showtime.seat_count,
        pricing=showtime.pricing,
        promotions=showtime.promotions,
        on_sale=_sales(showtime.on_sale, showtime.starts_at),
        single_seat_rule=showtime.single_seat_rule,
    )


def _of_state(state: ShowtimeState) -> ShowtimeAnswer:
    fields = state.model_dump(exclude={"event", "venue", "pricing", "on_sale"})
    return ShowtimeAnswer(
        **fields,
        event_id=state.event.event_id,
        venue_id=state.venue.venue_id,
        pricing=state.pricing,
        on_sale=_sales(state.on_sale, state.starts_at),
    )


def _sales(window: SalesWindow, starts_at: datetime) -> SalesAnswer:
    return SalesAnswer(from_=window.from_, until=window.until or starts_at)
