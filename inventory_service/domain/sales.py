"""When a showtime is sold: within its sales window, which ends with its start at the latest.

The seats of a channel are on sale through it before the window begins: that is what a presale is.
"""

from datetime import datetime

from messaging.events import ShowtimeState
from service_kit.errors import Conflict, Gone


class NotOnSaleYet(Conflict):
    """`on_sale_from`: when it will be."""

    slug, title = "not-on-sale-yet", "Tickets are not on sale yet"


class SalesEnded(Gone):
    slug, title = "sales-ended", "Tickets are no longer on sale"


def presale_until(showtime: ShowtimeState, now: datetime) -> datetime | None:
    """When the window begins, where it has not yet."""
    begins = showtime.on_sale.from_
    return begins if begins is not None and now < begins else None


def on_sale(showtime: ShowtimeState, now: datetime, *, through_channel: bool = False) -> bool:
    return (through_channel or presale_until(showtime, now) is None) and now < showtime.sales_end


def require_on_sale(showtime: ShowtimeState, now: datetime, *, through_channel: bool = False) -> None:
    """Raises NotOnSaleYet, SalesEnded. Of a show that has started or was called off the seat map tells that instead."""
    if showtime.status == "cancelled" or showtime.starts_at <= now:
        return
    if on_sale(showtime, now, through_channel=through_channel):
        return
    if begins := presale_until(showtime, now):
        raise NotOnSaleYet(on_sale_from=begins.isoformat())
    raise SalesEnded
