"""Shows as a calendar that one can subscribe to (RFC 5545, RFC 7986)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vText

from search_service.exports.facts import about, address
from search_service.exports.links import Links
from service_kit.money import decimal_text

Item = dict[str, Any]
REFRESH = timedelta(hours=1)


def to_calendar(items: list[Item], links: Links, *, name: str, now: datetime) -> bytes:
    """One entry per showtime, at the clock of its venue; `name` is what the calendar is called where it is shown.

    The index knows neither a show's end nor how often it was changed: an entry lasts as long as the event says it
    does, and its DTSTAMP is `now`, by which the answer that was fetched last counts.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Marquee//Shows//EN")
    calendar.add("version", "2.0")
    for name_property in ("name", "x-wr-calname"):
        # Of these the library doesn't know that they are texts, and would not escape them.
        calendar.add(name_property, vText(name))
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for item in items:
        calendar.add_component(_entry(item, links, now))
    _add_zones(calendar, items)
    written: bytes = calendar.to_ical()
    return written


def _entry(item: Item, links: Links, now: datetime) -> Event:
    event, venue = item["event"], item["venue"]
    entry = Event()
    entry.add("uid", f"{item['showtimeId']}@marquee")
    entry.add("dtstamp", now)
    entry.add("dtstart", _start(item))
    minutes = event["metadata"].get("durationMinutes")
    if minutes:
        entry.add("duration", timedelta(minutes=minutes))
    entry.add("summary", event["name"])
    entry.add("location", ", ".join([venue["name"], *address(venue)]))
    entry.add("geo", (venue["location"]["lat"], venue["location"]["lon"]))
    entry.add("description", "\n".join([*about(event), *_price(item)]))
    entry.add("categories", [event["category"]])
    entry.add("url", links.show(item))
    entry.add("status", "CONFIRMED")
    # That it is on takes up nobody's time.
    entry.add("transp", "TRANSPARENT")
    return entry


def _start(item: Item) -> datetime:
    """Where the clock is set back an hour comes twice, and its local time would mean the first of them (RFC 5545)."""
    local = datetime.fromisoformat(item["startsAt"]).astimezone(ZoneInfo(item["venue"]["timezone"]))
    return local.astimezone(UTC) if local.fold else local


def _price(item: Item) -> list[str]:
    price = item["price"]
    return (
        [] if price["from"] is None else [f"From {decimal_text(price['from'], price['currency'])} {price['currency']}"]
    )


def _add_zones(calendar: Calendar, items: list[Item]) -> None:
    """Only of the years in question: since 1970 a zone may have a hundred changes."""
    years = [int(item["startsAt"][:4]) for item in items]
    if years:
        calendar.add_missing_timezones(date(min(years), 1, 1), date(max(years) + 1, 12, 31))
