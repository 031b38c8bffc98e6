"""Settings of the venues service."""

from typing import Annotated, Literal

from pydantic import Field

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """How addresses become places: offline by default, or by a Nominatim server.

    The address of the partners service defaults to the common origin.
    """

    partners_url: str | None = None
    geocoder: Literal["gazetteer", "nominatim"] = "gazetteer"
    nominatim_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://nominatim.openstreetmap.org"
    # The public server's terms of use want the application named.
    nominatim_user_agent: str = "marquee"

    @property
    def partners_address(self) -> str:
        return self.partners_url or self.public_url
