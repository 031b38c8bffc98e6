"""Where an address is: geopy's Geocoder interface over the offline gazetteer or Nominatim."""

from dataclasses import dataclass
from typing import Any

from geopy.distance import geodesic
from geopy.exc import GeopyError
from geopy.geocoders import Nominatim
from geopy.geocoders.base import Geocoder

from service_kit.errors import Unavailable
from service_kit.gazetteer import gazetteer
from service_kit.models import Location
from venues_service.config import Settings
from venues_service.domain.venues import VenueDraft

NOMINATIM_SECONDS = 10
# A city of that name this close is the city meant, even when a border town of another country is closer.
SAME_CITY_KM = 100


@dataclass(frozen=True)
class Found:
    lat: float
    lon: float
    country: str | None


class Geocoding:
    """Answers by whichever geocoder is configured. All methods block: call them off the event loop."""

    def __init__(self, geocoder: Geocoder, *, streets: bool) -> None:
        self._geocoder = geocoder
        self._streets = streets

    def locate(self, draft: VenueDraft, country: str | None) -> Found | None:
        """The place of an address, or None. Raises Unavailable when the geocoder does not answer."""
        query = {"city": draft.city, "state": draft.address.state, "country": country or ""}
        if self._streets:
            query |= {
                "country": country or draft.address.country,
                "street": draft.address.street,
                "postalcode": draft.address.postal_code,
            }
        found = self._ask({name: text for name, text in query.items() if text})
        if found is None and self._streets:
            # Better the middle of the right city than nothing for a street that the map does not have.
            found = self._ask({name: query[name] for name in ("city", "country") if query[name]})
        return found

    def country_at(self, draft: VenueDraft, location: Location) -> str | None:
        """The country of a venue whose location alone is known."""
        point = (location.lat, location.lon)
        namesakes = gazetteer().lookup(draft.city, near=point)
        if namesakes and geodesic(namesakes[0].point, point).km <= SAME_CITY_KM:
            return namesakes[0].country
        nearest = gazetteer().nearest(*point)
        return nearest.country if nearest else None

    def _ask(self, query: dict[str, str]) -> Found | None:
        options: dict[str, Any] = {"addressdetails": True} if self._streets else {}
        try:
            location = self._geocoder.geocode(query, exactly_one=True, **options)
        except GeopyError as error:
            raise Unavailable("The geocoder does not answer; give the location or try later") from error
        if location is None:
            return None
        code = location.raw.get("address", {}).get("country_code")
        return Found(location.latitude, location.longitude, code.upper() if code else None)


def open_geocoding(settings: Settings) -> Geocoding:
    """Blocks for about a second while the gazetteer is built."""
    if settings.geocoder == "gazetteer":
        return Geocoding(gazetteer(), streets=False)
    scheme, _, domain = settings.nominatim_url.partition("://")
    nominatim = Nominatim(
        scheme=scheme, domain=domain, user_agent=settings.nominatim_user_agent, timeout=NOMINATIM_SECONDS
    )
    return Geocoding(nominatim, streets=True)
