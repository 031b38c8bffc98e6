"""From the items of an answer to a page."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from search_service.exports.facts import LANGUAGES, about, address, genres
from search_service.exports.linked_data import graph
from search_service.exports.links import Links
from service_kit.money import decimal_text

Item = dict[str, Any]
SHOWN = 50
MOST_PEOPLE = 12
# What could end a script element, or a line of one, as JSON may write it just as well.
IN_SCRIPT = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


@dataclass(frozen=True, slots=True)
class Row:
    """A showtime as a line of a page; `starts` at the clock of its venue."""

    item: Item
    starts: str
    price: str | None
    seats: str


class Pages:
    """Renders every page; `policy` is the Content-Security-Policy that they are sent with.

    Nothing but our own style sheet has a say in them: no script runs, whatever should get past the escaping.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        style = files(__package__).joinpath("templates/page.css").read_text()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src https: http:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        environment = Environment(
            loader=PackageLoader(__package__), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
        )
        environment.globals |= {"links": links, "style": Markup(style)}  # noqa: S704  # a file of ours
        self._templates = environment

    def event(self, items: list[Item]) -> str:
        """An event by its next shows, at least one; those beyond `SHOWN` are only told of."""
        event = items[0]["event"]
        return self._render(
            "event.html",
            items,
            event=event,
            facts=_facts(event),
            url=self._links.event(event["eventId"]),
            summary=f"{event['name']}: {', '.join(about(event))}. {_next(items[0])}",
            exported={"eventId": event["eventId"]},
        )

    def venue(self, items: list[Item]) -> str:
        """A venue by its next shows, at least one."""
        venue = items[0]["venue"]
        return self._render(
            "venue.html",
            items,
            venue=venue,
            address=address(venue),
            url=self._links.venue(venue["venueId"]),
            summary=f"What is on at {venue['name']}, {', '.join(address(venue))}. {_next(items[0])}",
            exported={"venueId": venue["venueId"]},
        )

    def problem(self, title: str, detail: str) -> str:
        return self._templates.get_template("problem.html").render(title=title, detail=detail)

    def _render(self, template: str, items: list[Item], **values: Any) -> str:
        shown = items[:SHOWN]
        return self._templates.get_template(template).render(
            rows=[_row(item) for item in shown],
            more=len(items) > SHOWN,
            linked_data=as_script(graph(shown, self._links)),
            **values,
        )


def as_script(data: Any) -> Markup:
    """JSON that can stand in a script element whatever its strings are."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(IN_SCRIPT))  # noqa: S704  # just escaped


def _row(item: Item) -> Row:
    price = item["price"]
    amount = None if price["from"] is None else f"from {decimal_text(price['from'], price['currency'])}"
    return Row(
        item=item,
        starts=_clock(item),
        price=f"{amount} {price['currency']}" if amount else None,
        seats=_seats(item),
    )


def _seats(item: Item) -> str:
    sale, availability = item["onSale"], item["availability"]
    if sale["status"] == "ended":
        return "no longer on sale"
    if sale["status"] == "later":
        return f"on sale from {_clock(item, sale['from'])}"
    if availability is None:
        return "not on sale yet"
    match availability["available"]:
        case 0:
            return "sold out"
        case 1:
            return "1 seat left"
        case available:
            return f"{available} seats free"


def _clock(item: Item, moment: str | None = None) -> str:
    """The show's start, or another `moment`, by the clock of the venue."""
    at = datetime.fromisoformat(moment or item["startsAt"]).astimezone(ZoneInfo(item["venue"]["timezone"]))
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M}"


def _next(item: Item) -> str:
    return f"Next: {_clock(item)} at {item['venue']['name']}, {item['venue']['city']}."


def _facts(event: dict[str, Any]) -> dict[str, str]:
    metadata = event["metadata"]
    language, minutes, people = metadata.get("language"), metadata.get("durationMinutes"), metadata.get("people") or []
    facts = {
        "Category": event["category"],
        "Genre": ", ".join(genres(event)),
        "Length": f"{minutes} minutes" if minutes else "",
        "Language": LANGUAGES.get(language, language) if language else "",
        "Certificate": metadata.get("certificate") or "",
        "Released": metadata.get("releaseDate") or "",
        "With": ", ".join(people[:MOST_PEOPLE]) + (" …" if len(people) > MOST_PEOPLE else ""),
    }
    return {name: fact for name, fact in facts.items() if fact}
