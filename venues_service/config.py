"""Settings of the venues service."""

from typing import Annotated, Literal

from pydantic import Field

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """How addresses become places: offline by default, or by a Nominatim server."""

    geocoder: Literal["gazetteer", "nominatim"] = "gazetteer"
    nominatim_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://nominatim.openstreetmap.org"
    # The public server's terms of use want the application named.
    nominatim_user_agent: str = "marquee"
