"""The money of bookings, for an audit to compare with payments."""

from collections.abc import AsyncIterator

from inventory_service.domain.money import BookingMoney
from inventory_service.store.bookings import Bookings

PAGE = 1_000


async def priced_bookings(bookings: Bookings) -> AsyncIterator[BookingMoney]:
    """All that cost something, by id; a page is in memory at a time."""
    last = ""
    while page := await bookings.priced(last, PAGE):
        for money in page:
            yield money
        last = page[-1].id
