"""`python -m marquee.states > docs/states.md`: the states of bookings and payments, as the code has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TypeVar

from inventory_service.domain import booking
from payment_service.domain import payment

S = TypeVar("S", bound=str)
HEAD = """# States of bookings and payments

Made by `python -m marquee.states` from the tables that the services go by; a test holds this page to them.
Each change is one conditional update of one document with its events in it. A change that isn't in the table is
refused, whoever asks for it."""


def page() -> str:
    return "\n\n".join([HEAD, *_part("Bookings", booking.REASONS), *_part("Payments", payment.REASONS)]) + "\n"


def _part(title: str, reasons: Mapping[tuple[S, S], str]) -> Iterator[str]:
    yield f"## {title}"
    arrows = "\n".join(f"  {before} --> {after}" for before, after in reasons)
    yield f"```mermaid\nstateDiagram-v2\n  [*] --> pending\n{arrows}\n```"
    rows = "\n".join(f"| {before} | {after} | {why} |" for (before, after), why in reasons.items())
    yield f"| from | to | when |\n| --- | --- | --- |\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(page())
