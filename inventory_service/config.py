"""Settings of the inventory service."""

from datetime import timedelta

from pydantic import SecretStr

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """Addresses of the two services called over HTTP default to the common origin."""

    venues_url: str | None = None
    payments_url: str | None = None
    # Signs the codes on tickets; must be the same in every process.
    ticket_secret: SecretStr = SecretStr("")
    default_hold_seconds: int = 600
    most_extensions: int = 3
    # From the first moment of a hold, extensions included.
    longest_hold_seconds: int = 2_700

    @property
    def venues_address(self) -> str:
        return self.venues_url or self.public_url

    @property
    def payments_address(self) -> str:
        return self.payments_url or self.public_url

    @property
    def longest_hold(self) -> timedelta:
        return timedelta(seconds=self.longest_hold_seconds)
