"""Venues against partners: whoever sells for a theatre must be able to ask it."""

from partners_service.store.partners import Partners
from venues_service.store.venues import Venues


async def without_theatre(venues: Venues, partners: Partners) -> list[str]:
    """A sentence for each venue that names a partner that isn't there: nothing sold at it can be confirmed."""
    named = await venues.theatres()
    known = {partner.id for partner in await partners.all() if not partner.deleted}
    return [
        f"Venue {venue_id} names the partner {partner_id}, which is not there: what is sold there can't be confirmed"
        for venue_id, partner_id in sorted(named.items())
        if partner_id not in known
    ]
