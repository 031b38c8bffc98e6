"""Promo codes as they are given with a hold: those that a showtime has, and not too many others."""

from dataclasses import dataclass
from datetime import timedelta

from inventory_service.domain.pricing import UnknownPromoCode, has_code
from inventory_service.handlers.context import Inventory
from inventory_service.handlers.doorkeeper import Doorkeeper
from service_kit.auth import Principal
from service_kit.limits import Limit, Limiter

WINDOW = timedelta(minutes=15)
WRONG_CODES_PER_PERSON = Limit("promo-codes-per-person", 10, WINDOW)
# Many people may share one address.
WRONG_CODES_PER_ADDRESS = Limit("promo-codes-per-address", 50, WINDOW)


@dataclass(frozen=True)
class PromoCodes:
    inventory: Inventory
    doorkeeper: Doorkeeper

    async def require_known(self, showtime_id: str, promo_code: str, caller: Principal, address: str) -> None:
        """Raises UnknownPromoCode, TooManyRequests, NotFound."""
        if caller.privileged:
            return
        remembered = await self.inventory.showtime(showtime_id)

        async def known() -> bool:
            if has_code(remembered.promotions, promo_code):
                return True
            current = await self.inventory.current_showtime(showtime_id)
            return has_code(current.promotions, promo_code)

        if not await self.doorkeeper.admits(caller.subject, address, known):
            raise UnknownPromoCode(faults=[("/promoCode", "not valid for this showtime")])


def promo_codes(inventory: Inventory, limiter: Limiter) -> PromoCodes:
    return PromoCodes(inventory, Doorkeeper(limiter, WRONG_CODES_PER_PERSON, WRONG_CODES_PER_ADDRESS))
