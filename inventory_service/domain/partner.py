"""The partner theatre of a booking: who must agree to the sale, and how far the asking has come.

unasked ─▶ asked ─▶ confirmed ─▶ withdrawn, once the booking has ended
             ├────▶ refused     by the theatre, or by its silence
             └────▶ withdrawn   we let it go first: the buyer cancelled, the show was called off
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

PartnerState = Literal["unasked", "asked", "confirmed", "refused", "withdrawn"]
PartnerEnding = Literal["refused", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Partner:
    """`deadline`: when silence counts as a refusal. `ticket_ids`: the theatre's own, by seat. `reason`: why not.

    Of a booking that has ended `confirmed` is kept, for what it was: `Booking.partner_state` says what it is now.
    `ending` says how it is about to end, from before the seats are given back until the booking has followed.
    """

    id: str
    state: PartnerState = "unasked"
    deadline: datetime | None = None
    ticket_ids: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    ending: PartnerEnding | None = None

    def ended(self) -> "Partner":
        """As it was about to end. A theatre that was never asked stays so."""
        state = self.ending if self.ending and self.state == "asked" else self.state
        return replace(self, state=state, ending=None)


def partner_of(venue_partner: Mapping[str, Any] | None) -> Partner | None:
    """The partner that a venue names, if it does; it may have notes of another kind in that place."""
    if venue_partner is None or venue_partner.get("adapter") != "http":
        return None
    return Partner(venue_partner["id"])
