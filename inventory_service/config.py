"""Settings of the inventory service."""

import hmac
from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """Addresses of the two services called over HTTP default to the common origin."""

    venues_url: str | None = None
    payments_url: str | None = None
    # Signs the codes on tickets; must be the same in every process. Without one anybody could make tickets.
    ticket_secret: Annotated[SecretStr, Field(min_length=16)]
    default_hold_seconds: int = 600
    most_extensions: int = 3
    # From the first moment of a hold, extensions included.
    longest_hold_seconds: int = 2_700
    # Live seat maps: open streams of one process, and of one address where limits are on.
    most_streams: int = 2_000
    most_streams_per_address: int = 100
    stream_heartbeat_seconds: float = 15.0

    @property
    def venues_address(self) -> str:
        return self.venues_url or self.public_url

    @property
    def payments_address(self) -> str:
        return self.payments_url or self.public_url

    @property
    def idempotency_secret(self) -> bytes:
        """Requests may have access codes, which nobody should be able to try on what is kept of a request."""
        return hmac.digest(self.ticket_secret.get_secret_value().encode(), b"idempotency", "sha256")

    @property
    def longest_hold(self) -> timedelta:
        return timedelta(seconds=self.longest_hold_seconds)
