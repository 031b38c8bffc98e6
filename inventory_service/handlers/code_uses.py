"""Uses of promo codes with a limit: counted once the hold is made, given back when it comes to nothing.

A use is claimed before its booking is written, so it lapses with the hold: the sweeper then asks the booking what
became of it. What ends a booking gives its use back at once; where a crash comes in between, the lapse is what is left.
Of a bought use, which doesn't lapse any more, that is taken back before its booking ends.

Who brings a use to where its booking is reads the use first, then the booking, and changes the use only as it was read.
So a late step of the past can't undo what came after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inventory_service.domain.booking import Booking
from inventory_service.domain.code_uses import SOON, Tally, Use, becomes
from inventory_service.handlers.attempts import ATTEMPTS, Contended
from inventory_service.store.bookings import Bookings
from inventory_service.store.code_uses import CodeUses
from service_kit.clock import Clock
from service_kit.logs import get_logger
from service_kit.problems import is_outage

log = get_logger(__name__)
TALLIES_A_ROUND = 50


@dataclass(frozen=True)
class Tallying:
    """The uses, beside the bookings that they belong to."""

    uses: CodeUses
    bookings: Bookings
    clock: Clock

    async def require_room(self, tallies: Sequence[Tally]) -> None:
        """A look before the hold. Raises PromoCodeUsedUp."""
        for tally in tallies:
            if await self.uses.count(tally) >= tally.most:
                raise tally.used_up()

    async def claim(self, booking: Booking, tallies: Sequence[Tally], *, retried: bool) -> list[str]:
        """Count a use in each of these; the places. Raises PromoCodeUsedUp, with nothing counted."""
        places: list[str] = []
        for tally in tallies:
            own = await self.uses.own(tally, booking.id) if retried else None
            place = own or await self.uses.claim(tally, booking.id, booking.held_until)
            if place is None:
                for claimed in places:
                    await self.uses.drop(Use(claimed, booking.id, booking.held_until))
                raise tally.used_up()
            places.append(place)
        return places

    async def follow(self, booking: Booking) -> None:
        """Bring the uses of a booking that was bought or has ended to where it is now.

        One that late money has brought back to life is counted again, whether there is room or not.
        """
        for place in booking.code_uses:
            for _ in range(ATTEMPTS):
                if await self._follow(place, booking.id):
                    break
            else:
                raise Contended

    async def give_back(self, booking: Booking) -> None:
        """The booking has ended. What can't be done now is done when the use lapses: nothing must fail for that."""
        try:
            await self.follow(booking)
        except Exception as error:
            if not isinstance(error, Contended) and not is_outage(error):
                raise
            log.warning("code_use_not_given_back", booking_id=booking.id, error=repr(error))

    async def loosen(self, booking: Booking) -> None:
        """The booking is about to be cancelled: should that be cut short, its uses are looked at again."""
        for place in booking.code_uses:
            await self.uses.loosen(place, booking.id, self.clock.now())

    async def reconcile(self) -> None:
        """Bring what has lapsed to where its bookings are."""
        now = self.clock.now()
        for place, lapsed in await self.uses.lapsed(now, TALLIES_A_ROUND):
            found = {booking.id: booking for booking in await self.bookings.some([use.booking_id for use in lapsed])}
            for use in lapsed:
                await self._bring(use, found.get(use.booking_id))
            await self.uses.note_next_lapse(place)

    async def _follow(self, place: str, booking_id: str) -> bool:
        use = await self.uses.find(place, booking_id)
        booking = await self.bookings.get(booking_id)
        if use:
            return await self._bring(use, booking)
        if booking and booking.status == "confirmed" and not booking.ending:
            await self.uses.add(place, booking_id, self.clock.now() + SOON)
            return False  # it is kept for good by a reading of the booking that is newer than the use
        return True

    async def _bring(self, use: Use, booking: Booking | None) -> bool:
        """False where the use has changed since it was read."""
        wanted = becomes(use, booking, self.clock.now())
        if wanted is None:
            return await self.uses.drop(use)
        return wanted.until == use.until or await self.uses.change(use, wanted)
